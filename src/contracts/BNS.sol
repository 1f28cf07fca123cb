// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import "./ChangeTracker.sol";

/// Names for devices: 8 to 32 characters of [0-9a-z-], one owner, up to 128 destinations, free-form properties, reverse names.
/// The storage layout (slots 1 to 3, order in BNSEntry) is part of the interface: clients read it with proofs.
contract BNS is ChangeTracker {
    struct BNSEntry {
        address destination;
        address owner;
        string name;
        address[] destinations;
        string[] properties;
        uint256 lockEnd;
        uint256 leaseEnd;
    }

    struct ReverseEntry {
        string name;
        address setter;
    }

    uint256 private constant LEASE_BLOCKS = 518400;
    uint256 private constant LOCK_BLOCKS = 1036800;
    uint256 private constant MAX_DESTINATIONS = 128; // clients ignore longer lists

    uint256 private _reserved0;
    mapping(bytes32 => BNSEntry) public names;
    mapping(address => ReverseEntry) public reverse;
    bytes32[] public namesIndex;
    mapping(bytes32 => uint256) private _position; // index + 1

    event NameChanged(bytes32 indexed key, string name, address indexed owner);

    function Version() external pure returns (int256) {
        return 321;
    }

    /// The key of a valid name.
    function Convert(string memory name) public pure returns (bytes32) {
        bytes memory text = bytes(name);
        require(text.length > 7, "Names must be longer than 7 characters");
        require(text.length <= 32, "Names must be within 32 characters");
        require(text[0] != "-" && text[text.length - 1] != "-", "Names can't start or end with '-'");
        for (uint256 i = 0; i < text.length; i++) {
            bytes1 c = text[i];
            require(
                (c >= "0" && c <= "9") || (c >= "a" && c <= "z") || c == "-",
                "Names can only contain: [0-9a-z-]"
            );
        }

        return keccak256(text);
    }

    function Resolve(string calldata name) external view returns (address) {
        BNSEntry storage entry = names[Convert(name)];
        uint256 count = entry.destinations.length;
        return count == 0 ? entry.destination : entry.destinations[block.number % count];
    }

    function ResolveAll(string calldata name) external view returns (address[] memory all) {
        BNSEntry storage entry = names[Convert(name)];
        if (entry.destinations.length > 0) {
            return entry.destinations;
        }

        all = new address[](1);
        all[0] = entry.destination;
    }

    function ResolveEntry(string calldata name) external view returns (BNSEntry memory) {
        return names[Convert(name)];
    }

    function ResolveOwner(string calldata name) external view returns (address) {
        return names[Convert(name)].owner;
    }

    function Register(string calldata name, address destination) external {
        address[] memory destinations = new address[](1);
        destinations[0] = destination;
        _register(name, destinations);
    }

    function RegisterMultiple(string calldata name, address[] calldata destinations) external {
        _register(name, destinations);
    }

    function Unregister(string calldata name) external {
        (bytes32 key, ) = _owned(name);
        _remove(key);
        emit NameChanged(key, name, address(0));
        trackChange();
    }

    function TransferOwner(string calldata name, address newOwner) external {
        (bytes32 key, BNSEntry storage entry) = _owned(name);
        require(newOwner != address(0), "The owner can't be zero");
        entry.owner = newOwner;
        emit NameChanged(key, name, newOwner);
        trackChange();
    }

    /// Moves everything of a name to a free one.
    function Rename(string calldata name, string calldata newName) external {
        (bytes32 oldKey, BNSEntry storage entry) = _owned(name);
        bytes32 newKey = Convert(newName);
        BNSEntry storage target = names[newKey];
        require(target.owner == address(0), "The new name is taken");
        target.destination = entry.destination;
        target.owner = entry.owner;
        target.name = newName;
        target.destinations = entry.destinations;
        for (uint256 i = 0; i < entry.properties.length; i++) {
            target.properties.push(entry.properties[i]);
        }

        target.lockEnd = entry.lockEnd;
        target.leaseEnd = entry.leaseEnd;
        namesIndex.push(newKey);
        _position[newKey] = namesIndex.length;
        _remove(oldKey);
        emit NameChanged(oldKey, name, address(0));
        emit NameChanged(newKey, newName, msg.sender);
        trackChange();
    }

    function AddProperty(string calldata name, string calldata property) external {
        (, BNSEntry storage entry) = _owned(name);
        entry.properties.push(property);
        trackChange();
    }

    /// The last property takes the place of the deleted one.
    function DeleteProperty(string calldata name, uint256 index) external {
        (, BNSEntry storage entry) = _owned(name);
        uint256 last = entry.properties.length - 1;
        if (index != last) {
            entry.properties[index] = entry.properties[last];
        }

        entry.properties.pop();
        trackChange();
    }

    function GetProperty(string calldata name, uint256 index) external view returns (string memory) {
        return names[Convert(name)].properties[index];
    }

    function GetPropertyLength(string calldata name) external view returns (uint256) {
        return names[Convert(name)].properties.length;
    }

    function GetProperties(string calldata name) external view returns (string[] memory) {
        return names[Convert(name)].properties;
    }

    /// The value of the first property `key=value`; empty if there is none.
    function FindPropertyKV(string calldata name, string calldata key) external view returns (string memory) {
        BNSEntry storage entry = names[Convert(name)];
        (bool found, uint256 index) = _find(entry, bytes(key));
        if (!found) {
            return "";
        }

        bytes memory property = bytes(entry.properties[index]);
        uint256 start = bytes(key).length + 1;
        bytes memory value = new bytes(property.length - start);
        for (uint256 i = 0; i < value.length; i++) {
            value[i] = property[start + i];
        }

        return string(value);
    }

    /// Replaces the first property `key=...` or appends one.
    function SetPropertyKV(string calldata name, string calldata key, string calldata value) external {
        (, BNSEntry storage entry) = _owned(name);
        string memory property = string(abi.encodePacked(key, "=", value));
        (bool found, uint256 index) = _find(entry, bytes(key));
        if (found) {
            entry.properties[index] = property;
        } else {
            entry.properties.push(property);
        }

        trackChange();
    }

    /// Names `destination`; the name must point there. Only the address itself or who set the entry may replace it.
    function RegisterReverse(address destination, string calldata name) external {
        require(_pointsTo(names[Convert(name)], destination), "Forward lookup failed");
        ReverseEntry storage entry = reverse[destination];
        require(
            entry.setter == address(0) || msg.sender == destination || msg.sender == entry.setter,
            "Only the address owner can change an owned entry."
        );
        entry.name = name;
        entry.setter = msg.sender;
        trackChange();
    }

    function UnregisterReverse(address destination) external {
        require(
            msg.sender == destination || msg.sender == reverse[destination].setter,
            "Only the address owner can unregister an owned entry."
        );
        delete reverse[destination];
        trackChange();
    }

    /// The name stored for an address. It is the reader's part to check that the name still points back.
    function ResolveReverse(address destination) external view returns (string memory) {
        return reverse[destination].name;
    }

    function AllNames() external view returns (bytes32[] memory) {
        return namesIndex;
    }

    function AllNamesLength() external view returns (uint256) {
        return namesIndex.length;
    }

    function _register(string calldata name, address[] memory destinations) private {
        bytes32 key = Convert(name);
        require(destinations.length > 0, "A name needs a destination");
        require(destinations.length <= MAX_DESTINATIONS, "A name has at most 128 destinations");
        BNSEntry storage entry = names[key];
        if (entry.owner == address(0)) {
            entry.owner = msg.sender;
            entry.name = name;
            namesIndex.push(key);
            _position[key] = namesIndex.length;
        } else {
            _requireOwner(entry);
        }

        entry.destination = destinations[0];
        entry.destinations = destinations;
        entry.leaseEnd = block.number + LEASE_BLOCKS;
        entry.lockEnd = block.number + LOCK_BLOCKS;
        emit NameChanged(key, name, msg.sender);
        trackChange();
    }

    function _remove(bytes32 key) private {
        uint256 position = _position[key];
        bytes32 last = namesIndex[namesIndex.length - 1];
        namesIndex[position - 1] = last;
        _position[last] = position;
        namesIndex.pop();
        delete _position[key];
        delete names[key];
    }

    function _owned(string calldata name) private view returns (bytes32 key, BNSEntry storage entry) {
        key = Convert(name);
        entry = names[key];
        _requireOwner(entry);
    }

    function _requireOwner(BNSEntry storage entry) private view {
        require(entry.owner == msg.sender, "This name is not registered by you, or it's lease has ended");
    }

    function _pointsTo(BNSEntry storage entry, address destination) private view returns (bool) {
        for (uint256 i = 0; i < entry.destinations.length; i++) {
            if (entry.destinations[i] == destination) {
                return true;
            }
        }

        return false;
    }

    function _find(BNSEntry storage entry, bytes memory key) private view returns (bool, uint256) {
        for (uint256 i = 0; i < entry.properties.length; i++) {
            if (_isPropertyOf(bytes(entry.properties[i]), key)) {
                return (true, i);
            }
        }

        return (false, 0);
    }

    function _isPropertyOf(bytes memory property, bytes memory key) private pure returns (bool) {
        if (property.length <= key.length || property[key.length] != "=") {
            return false;
        }

        for (uint256 i = 0; i < key.length; i++) {
            if (property[i] != key[i]) {
                return false;
            }
        }

        return true;
    }
}
