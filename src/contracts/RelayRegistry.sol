// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import "./Interfaces.sol";

/// Pays relays for the traffic of fleets. A fleet's accountant stakes tokens; relays submit the tickets that devices signed for
/// the epoch before; one percent of the stake per epoch is shared by score, one percent of that goes to the foundation.
/// Traffic of epoch N is submitted in N+1 and paid by the first action for that fleet in N+2 or later.
contract RelayRegistry {
    struct Fleet {
        bool exists;
        uint256 currentBalance;
        uint256 withdrawRequestSize;
        uint256 withdrawableBalance;
        uint256 currentEpoch;
    }

    struct Period {
        uint256 score;
        address[] nodes;
        mapping(address => uint256) nodeScore;
        mapping(address => mapping(address => uint256)) clientScore;
    }

    struct Reward {
        bool exists;
        uint256 reward;
    }

    uint256 public constant SecondsPerEpoch = 2592000;
    uint256 private constant TICKET_WORDS = 9;

    uint256 public currentEpoch;
    uint256 public currentEpochStart;
    uint256 public previousEpochStart;
    uint256 public foundationTaxRate = 1;
    uint256 public connectionScore = 1024;
    uint256 public byteScore = 1;
    uint256 public foundationWithdrawableBalance;
    address[] public fleetArray;
    address[] public relayArray;
    mapping(address => Reward) public relayRewards;

    IERC20 private _token;
    address private _foundation;
    mapping(address => Fleet) private _fleets;
    mapping(address => mapping(uint256 => Period)) private _periods; // by the epoch of submission

    event Ticket(address indexed fleet, address indexed node, address indexed client, uint256 epoch, uint256 score);
    event Rewarded(address indexed fleet, address indexed node, uint256 amount);

    modifier onlyFoundation() {
        require(msg.sender == _foundation, "Foundation only");
        _;
    }

    modifier onlyAccountant(address fleet) {
        require(msg.sender == IFleet(fleet).Accountant(), "Only the fleet accountant can do this");
        _;
    }

    constructor(address token, address foundation) {
        _token = IERC20(token);
        _foundation = foundation;
        currentEpoch = Epoch();
        currentEpochStart = block.timestamp;
        previousEpochStart = block.timestamp;
    }

    function Version() external pure returns (uint256) {
        return 114;
    }

    function Epoch() public view returns (uint256) {
        return block.timestamp / SecondsPerEpoch;
    }

    function Token() external view returns (address) {
        return address(_token);
    }

    function Foundation() external view returns (address) {
        return _foundation;
    }

    // ---- stake ----

    function ContractStake(address fleet, uint256 amount) external onlyAccountant(fleet) {
        EndEpochForFleet(fleet);
        Fleet storage f = _fleets[fleet];
        if (!f.exists) {
            f.exists = true;
            f.currentEpoch = currentEpoch;
            fleetArray.push(fleet);
        }

        f.currentBalance += amount;
        require(_token.transferFrom(msg.sender, address(this), amount), "Token transfer failed");
    }

    /// Asks for `amount` back: withdrawable once the running epoch is settled.
    function ContractUnstake(address fleet, uint256 amount) external onlyAccountant(fleet) {
        EndEpochForFleet(fleet);
        Fleet storage f = _fleets[fleet];
        require(f.withdrawRequestSize + amount <= f.currentBalance, "Can't unstake more than is staked");
        f.withdrawRequestSize += amount;
    }

    function ContractWithdraw(address fleet) external onlyAccountant(fleet) {
        EndEpochForFleet(fleet);
        Fleet storage f = _fleets[fleet];
        uint256 amount = f.withdrawableBalance;
        f.withdrawableBalance = 0;
        require(_token.transfer(msg.sender, amount), "Token transfer failed");
    }

    // ---- tickets ----

    /// Nine words per ticket: epoch, fleet, node, connections, bytes, SHA-256 of the local address, r, s, v.
    function SubmitTicketRaw(bytes32[] calldata words) external {
        require(words.length > 0 && words.length % TICKET_WORDS == 0, "Invalid ticket length");
        for (uint256 i = 0; i < words.length; i += TICKET_WORDS) {
            _submit(
                [
                    bytes32(block.chainid),
                    words[i],
                    bytes32(uint256(uint160(uint256(words[i + 1])))),
                    bytes32(uint256(uint160(uint256(words[i + 2])))),
                    words[i + 3],
                    words[i + 4],
                    words[i + 5]
                ],
                [words[i + 6], words[i + 7], words[i + 8]]
            );
        }
    }

    function SubmitTicket(
        uint256 epoch,
        address fleet,
        address node,
        uint256 connections,
        uint256 totalBytes,
        bytes32 localAddress,
        bytes32[3] calldata signature
    ) external {
        _submit(
            [
                bytes32(block.chainid),
                bytes32(epoch),
                bytes32(uint256(uint160(fleet))),
                bytes32(uint256(uint160(node))),
                bytes32(connections),
                bytes32(totalBytes),
                localAddress
            ],
            signature
        );
    }

    // ---- epochs and rewards ----

    /// Follows the clock; anybody may call it.
    function EndEpoch() public {
        uint256 epoch = Epoch();
        if (epoch > currentEpoch) {
            currentEpoch = epoch;
            previousEpochStart = currentEpochStart;
            currentEpochStart = block.timestamp;
        }
    }

    /// Settles what the fleet owes for the last epoch in which it was active.
    function EndEpochForFleet(address fleet) public {
        EndEpoch();
        Fleet storage f = _fleets[fleet];
        if (f.exists && f.currentEpoch < currentEpoch) {
            _settle(fleet, f);
        }
    }

    function EndEpochForAllFleets() external {
        for (uint256 i = 0; i < fleetArray.length; i++) {
            EndEpochForFleet(fleetArray[i]);
        }
    }

    /// Pays a relay what it earned, to its own address.
    function RelayWithdraw(address node) external {
        Reward storage r = relayRewards[node];
        uint256 amount = r.reward;
        r.reward = 0;
        if (!r.exists) {
            r.exists = true;
            relayArray.push(node);
        }

        require(_token.transfer(node, amount), "Token transfer failed");
    }

    function FoundationWithdraw() external {
        uint256 amount = foundationWithdrawableBalance;
        foundationWithdrawableBalance = 0;
        require(_token.transfer(_foundation, amount), "Token transfer failed");
    }

    function SetFoundationTax(uint256 percent) external onlyFoundation {
        require(percent <= 100, "Not a percentage");
        foundationTaxRate = percent;
    }

    function SetByteScore(uint256 score) external onlyFoundation {
        byteScore = score;
    }

    function SetConnectionScore(uint256 score) external onlyFoundation {
        connectionScore = score;
    }

    // ---- reading ----

    function GetFleet(
        address fleet
    )
        external
        view
        returns (
            bool exists,
            uint256 currentBalance,
            uint256 withdrawRequestSize,
            uint256 withdrawableBalance,
            uint256 fleetEpoch,
            uint256 score
        )
    {
        Fleet storage f = _fleets[fleet];
        return (
            f.exists,
            f.currentBalance,
            f.withdrawRequestSize,
            f.withdrawableBalance,
            f.currentEpoch,
            _periods[fleet][f.currentEpoch].score
        );
    }

    function GetClientScore(address fleet, address node, address client) external view returns (uint256) {
        return GetClientScoreForEpoch(fleet, _fleets[fleet].currentEpoch, node, client);
    }

    function GetClientScoreForEpoch(
        address fleet,
        uint256 epoch,
        address node,
        address client
    ) public view returns (uint256) {
        return _periods[fleet][epoch].clientScore[node][client];
    }

    function GetNode(address fleet, address node) external view returns (address, uint256) {
        return GetNodeForEpoch(fleet, _fleets[fleet].currentEpoch, node);
    }

    function GetNodeForEpoch(address fleet, uint256 epoch, address node) public view returns (address, uint256) {
        return (node, _periods[fleet][epoch].nodeScore[node]);
    }

    function RelayRewards(address node) external view returns (uint256) {
        return relayRewards[node].reward;
    }

    function FleetArray() external view returns (address[] memory) {
        return fleetArray;
    }

    function FleetArrayLength() external view returns (uint256) {
        return fleetArray.length;
    }

    function RelayArray() external view returns (address[] memory) {
        return relayArray;
    }

    function RelayArrayLength() external view returns (uint256) {
        return relayArray.length;
    }

    /// `words` are the seven words a device signs; who signed is found by recovery, never told.
    function _submit(bytes32[7] memory words, bytes32[3] memory signature) private {
        address fleet = address(uint160(uint256(words[2])));
        EndEpochForFleet(fleet);
        require(uint256(words[1]) + 1 == currentEpoch, "Wrong epoch");
        require(uint256(words[4]) | uint256(words[5]) != 0, "Invalid ticket value");
        address client = ecrecover(
            keccak256(abi.encodePacked(words)),
            uint8(uint256(signature[2])),
            signature[0],
            signature[1]
        );
        require(client != address(0), "Invalid ticket signature");
        require(
            IFleet(fleet).DeviceAllowlist(client),
            string(abi.encodePacked("Unregistered device", bytes1(0), client))
        );
        _score(fleet, address(uint160(uint256(words[3]))), client, uint256(words[4]), uint256(words[5]));
    }

    // The score of a device at a relay only ever grows: an older ticket, or the same one again, changes nothing.
    function _score(address fleet, address node, address client, uint256 connections, uint256 totalBytes) private {
        uint256 score = connections * connectionScore + totalBytes * byteScore;
        Fleet storage f = _fleets[fleet];
        f.currentEpoch = currentEpoch;
        Period storage p = _periods[fleet][currentEpoch];
        uint256 before = p.clientScore[node][client];
        if (score <= before) {
            return;
        }

        if (p.nodeScore[node] == 0) {
            p.nodes.push(node);
        }

        p.clientScore[node][client] = score;
        p.nodeScore[node] += score - before;
        p.score += score - before;
        emit Ticket(fleet, node, client, currentEpoch - 1, score);
    }

    function _settle(address fleet, Fleet storage f) private {
        Period storage p = _periods[fleet][f.currentEpoch];
        if (p.score > 0) {
            uint256 reward = f.currentBalance / 100;
            f.currentBalance -= reward;
            uint256 tax = (reward * foundationTaxRate) / 100;
            uint256 rest = reward - tax;
            uint256 paid = 0;
            for (uint256 i = 0; i < p.nodes.length; i++) {
                uint256 share = (rest * p.nodeScore[p.nodes[i]]) / p.score;
                relayRewards[p.nodes[i]].reward += share;
                paid += share;
                emit Rewarded(fleet, p.nodes[i], share);
            }

            foundationWithdrawableBalance += reward - paid;
        }

        uint256 withdrawn = f.withdrawRequestSize < f.currentBalance ? f.withdrawRequestSize : f.currentBalance;
        f.currentBalance -= withdrawn;
        f.withdrawableBalance += withdrawn;
        f.withdrawRequestSize = 0;
        f.currentEpoch = currentEpoch;
    }
}
