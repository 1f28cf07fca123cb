// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import "./ChangeTracker.sol";

/// Exits offered to everybody. Anyone lists an exit under its own address and nobody else's; an entry ends by itself unless it is
/// renewed. A listing says that somebody offers an exit, not that the exit is any good.
contract ExitDirectory is ChangeTracker {
    struct Exit {
        address device;
        string region; // lower-case, [0-9a-z-], for example "de" or "us-west"
        uint8 families; // bit 0 IPv4, bit 1 IPv6
        string policyUrl;
        uint64 expires; // Unix seconds
    }

    uint256 public constant MaxLifetime = 30 days;
    uint256 private constant MAX_URL = 256;
    uint8 private constant ALL_FAMILIES = 3;

    mapping(address => Exit) private _exits;
    mapping(address => uint256) private _position; // index + 1 in the list of its region
    mapping(bytes32 => address[]) private _byRegion;
    string[] private _regions;
    mapping(bytes32 => uint256) private _regionPosition; // index + 1

    event ExitListed(address indexed device, string region, uint8 families, string policyUrl, uint64 expires);
    event ExitRemoved(address indexed device);

    function Version() external pure returns (uint256) {
        return 1;
    }

    /// Lists the caller, or replaces its entry.
    function Register(string calldata region, uint8 families, string calldata policyUrl, uint64 lifetime) external {
        bytes32 key = _key(region);
        require(families > 0 && families <= ALL_FAMILIES, "Address families: 1 IPv4, 2 IPv6, 3 both");
        require(bytes(policyUrl).length <= MAX_URL, "The policy URL must be within 256 characters");
        if (_position[msg.sender] != 0) {
            _unlist(msg.sender);
        }

        if (_regionPosition[key] == 0) {
            _regions.push(region);
            _regionPosition[key] = _regions.length;
        }

        _byRegion[key].push(msg.sender);
        _position[msg.sender] = _byRegion[key].length;
        uint64 expires = _expiry(lifetime);
        _exits[msg.sender] = Exit(msg.sender, region, families, policyUrl, expires);
        emit ExitListed(msg.sender, region, families, policyUrl, expires);
        trackChange();
    }

    /// Prolongs the caller's entry.
    function Renew(uint64 lifetime) external {
        require(_position[msg.sender] != 0, "This address lists no exit");
        Exit storage entry = _exits[msg.sender];
        entry.expires = _expiry(lifetime);
        emit ExitListed(msg.sender, entry.region, entry.families, entry.policyUrl, entry.expires);
        trackChange();
    }

    function Unregister() external {
        require(_position[msg.sender] != 0, "This address lists no exit");
        _unlist(msg.sender);
    }

    /// Anybody may clear away an entry that has ended.
    function Prune(address device) external {
        require(_position[device] != 0 && _exits[device].expires <= block.timestamp, "Only ended entries can be cleared away");
        _unlist(device);
    }

    /// The entry of a device; all zero if it lists none or it has ended.
    function Get(address device) external view returns (Exit memory entry) {
        if (_exits[device].expires > block.timestamp) {
            entry = _exits[device];
        }
    }

    /// Entries of a region, ended ones included.
    function Count(string calldata region) external view returns (uint256) {
        return _byRegion[_key(region)].length;
    }

    /// The entries in force among the `limit` of a region from `offset` on; page by Count.
    function List(string calldata region, uint256 offset, uint256 limit) external view returns (Exit[] memory page) {
        address[] storage all = _byRegion[_key(region)];
        uint256 end = offset >= all.length ? offset : all.length - offset < limit ? all.length : offset + limit;
        uint256 live = 0;
        for (uint256 i = offset; i < end; i++) {
            live += _exits[all[i]].expires > block.timestamp ? 1 : 0;
        }

        page = new Exit[](live);
        live = 0;
        for (uint256 i = offset; i < end; i++) {
            Exit storage entry = _exits[all[i]];
            if (entry.expires > block.timestamp) {
                page[live++] = entry;
            }
        }
    }

    /// Every region that has entries.
    function Regions() external view returns (string[] memory) {
        return _regions;
    }

    function _expiry(uint64 lifetime) private view returns (uint64) {
        require(lifetime > 0 && lifetime <= MaxLifetime, "The lifetime must be within 30 days");
        return uint64(block.timestamp) + lifetime;
    }

    function _key(string calldata region) private pure returns (bytes32) {
        bytes calldata text = bytes(region);
        require(text.length >= 2 && text.length <= 16, "Regions have 2 to 16 characters");
        for (uint256 i = 0; i < text.length; i++) {
            bytes1 c = text[i];
            require(
                (c >= "0" && c <= "9") || (c >= "a" && c <= "z") || c == "-",
                "Regions can only contain: [0-9a-z-]"
            );
        }

        return keccak256(text);
    }

    function _unlist(address device) private {
        bytes32 key = keccak256(bytes(_exits[device].region));
        address[] storage all = _byRegion[key];
        uint256 position = _position[device];
        address last = all[all.length - 1];
        all[position - 1] = last;
        _position[last] = position;
        all.pop();
        delete _position[device];
        delete _exits[device];
        if (all.length == 0) {
            uint256 place = _regionPosition[key];
            string memory lastRegion = _regions[_regions.length - 1];
            _regions[place - 1] = lastRegion;
            _regionPosition[keccak256(bytes(lastRegion))] = place;
            _regions.pop();
            delete _regionPosition[key];
        }

        emit ExitRemoved(device);
        trackChange();
    }
}
