// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import "./FleetContract.sol";
import "./PerimeterSets.sol";

/// A ZTNA perimeter: users (some of them admins), groups of users, devices with an owner, tags for devices, and string properties
/// of both that configure what a device publishes. It is a fleet as well: the allow list is separate from the list of devices.
///
/// Refusals are short because clients know them: AUTH not allowed, DNE/DAE device does not / does exist, UNE/UAE user,
/// GNE/GAE group, TNE/TAE tag, IDA/IUA zero address, DUP key exists, IN already there, OUT not there.
/// Who may read: users, devices of the perimeter, and for getPropertyValue, getDeviceProperty and the fleet functions everybody.
/// Outside a confidential chain everything stored can be read by everybody all the same.
contract Perimeter is FleetContract {
    using PerimeterSets for PerimeterSets.Set;

    struct User {
        address id;
        string name;
        string email;
        string avatar;
        bool admin;
        uint256 createdAt;
    }

    struct Group {
        address id;
        string name;
        string description;
        uint256 createdAt;
    }

    struct Device {
        address id;
        address owner;
        string name;
        string description;
        string deviceType;
        string location;
        uint256 createdAt;
        uint256 lastSeen;
    }

    struct Tag {
        address id;
        string name;
        string description;
        string color;
        uint256 createdAt;
    }

    uint256 private constant SAPPHIRE = 0x5afe;
    uint256 private constant SAPPHIRE_TESTNET = 0x5aff;
    address private constant RANDOM_BYTES = 0x0100000000000000000000000000000000000001;
    address private constant CURVE25519_PUBLIC_KEY = 0x0100000000000000000000000000000000000008;
    string private constant DEFAULT_FLEET = "0x6000000000000000000000000000000000000000";

    string public label;
    uint256 private _created; // makes ids of groups and tags

    PerimeterSets.Set private _users;
    PerimeterSets.Set private _groups;
    PerimeterSets.Set private _deviceSet;
    PerimeterSets.Set private _tags;
    mapping(address => User) private _user;
    mapping(address => Group) private _group;
    mapping(address => Device) private _device;
    mapping(address => Tag) private _tag;
    mapping(address => PerimeterSets.Set) private _groupUsers;
    mapping(address => PerimeterSets.Set) private _userGroups;
    mapping(address => PerimeterSets.Set) private _userDevices;
    mapping(address => PerimeterSets.Set) private _tagDevices;
    mapping(address => PerimeterSets.Set) private _deviceTags;
    mapping(address => mapping(string => string)) private _properties; // of devices and tags
    mapping(address => bytes32) private _publicKey;
    mapping(address => bytes32) private _privateKey;

    modifier onlyAdmin() {
        require(isUserAdmin(msg.sender), "AUTH");
        _;
    }

    modifier onlyReader() {
        require(_users.has(msg.sender) || _deviceSet.has(msg.sender) || msg.sender == operator, "AUTH");
        _;
    }

    modifier onlyUser() {
        require(_users.has(msg.sender), "UNE");
        _;
    }

    modifier ownerOf(address device) {
        require(_deviceSet.has(device), "DNE");
        require(msg.sender == _device[device].owner || isUserAdmin(msg.sender), "AUTH");
        _;
    }

    constructor(address owner, string memory label_) FleetContract(address(0), address(0)) {
        if (owner != address(0)) {
            _found(owner, label_);
        }
    }

    function initialize(address owner) external override {
        _found(owner, "");
    }

    function initialize(address owner, address accountant_) external override {
        _found(owner, "");
        accountant = accountant_;
    }

    function initialize(address owner, string calldata label_) external {
        _found(owner, label_);
    }

    function Version() external pure override returns (int256) {
        return 806;
    }

    function Type() external pure returns (bytes32) {
        return "ZTNAPerimeterContract";
    }

    function updateLabel(string calldata label_) external onlyAdmin {
        label = label_;
        trackChange();
    }

    // ---- users ----

    function createUser(address user, string calldata name, string calldata email, string calldata avatar) external onlyAdmin {
        _createUser(user, name, email, avatar, false);
    }

    function addPerimeterAdmin(address user, string calldata name) external onlyAdmin {
        _createUser(user, name, "", "", true);
    }

    function updateUser(address user, string calldata name, string calldata email, string calldata avatar) external {
        require(_users.has(user), "UNE");
        require(msg.sender == user || isUserAdmin(msg.sender), "AUTH");
        User storage u = _user[user];
        (u.name, u.email, u.avatar) = (name, email, avatar);
        trackChange();
    }

    function setUserAdmin(address user, bool admin) external onlyAdmin {
        require(_users.has(user), "UNE");
        require(user != operator, "AUTH"); // a perimeter without an admin could never change again
        _user[user].admin = admin;
        trackChange();
    }

    function removeUser(address user) external onlyAdmin {
        require(_users.has(user), "UNE");
        require(user != operator, "AUTH");
        require(_userDevices[user].items.length == 0, "IN"); // its devices must go to somebody first
        while (_userGroups[user].items.length > 0) {
            address group = _userGroups[user].items[0];
            _userGroups[user].remove(group);
            _groupUsers[group].remove(user);
        }

        _users.remove(user);
        delete _user[user];
        trackChange();
    }

    function isUserAdmin(address user) public view returns (bool) {
        return (_users.has(user) && _user[user].admin) || (user == operator && user != address(0));
    }

    function getUser(address user) external view onlyReader returns (User memory) {
        require(_users.has(user), "UNE");
        return _user[user];
    }

    function getAllUsers() external view onlyReader returns (address[] memory) {
        return _users.items;
    }

    // ---- groups ----

    function createUserGroup(string calldata name, string calldata description) external onlyAdmin returns (address id) {
        id = _newId("group");
        _groups.add(id);
        _group[id] = Group(id, name, description, block.timestamp);
        trackChange();
    }

    function updateUserGroup(address group, string calldata name, string calldata description) external onlyAdmin {
        require(_groups.has(group), "GNE");
        (_group[group].name, _group[group].description) = (name, description);
        trackChange();
    }

    function removeUserGroup(address group) external onlyAdmin {
        require(_groups.remove(group), "GNE");
        while (_groupUsers[group].items.length > 0) {
            address user = _groupUsers[group].items[0];
            _groupUsers[group].remove(user);
            _userGroups[user].remove(group);
        }

        delete _group[group];
        trackChange();
    }

    function addUserToGroup(address user, address group) external onlyAdmin {
        require(_users.has(user), "UNE");
        require(_groups.has(group), "GNE");
        require(_groupUsers[group].add(user), "IN");
        _userGroups[user].add(group);
        trackChange();
    }

    function removeUserFromGroup(address user, address group) external onlyAdmin {
        require(_groups.has(group), "GNE");
        require(_groupUsers[group].remove(user), "OUT");
        _userGroups[user].remove(group);
        trackChange();
    }

    function getUserGroup(address group) external view onlyReader returns (Group memory) {
        require(_groups.has(group), "GNE");
        return _group[group];
    }

    function getAllUserGroups() external view onlyReader returns (address[] memory) {
        return _groups.items;
    }

    function getUserGroups(address user) external view onlyReader returns (address[] memory) {
        return _userGroups[user].items;
    }

    function getGroupUsers(address group) external view onlyReader returns (address[] memory) {
        require(_groups.has(group), "GNE");
        return _groupUsers[group].items;
    }

    function isUserInGroup(address user, address group) external view onlyReader returns (bool) {
        return _groupUsers[group].has(user);
    }

    // ---- devices ----

    /// The caller becomes the owner. On a confidential chain the device gets a tunnel key at once.
    function createDevice(
        address device,
        string calldata name,
        string calldata description,
        string calldata deviceType,
        string calldata location
    ) external onlyAdmin {
        require(device != address(0), "IDA");
        require(_deviceSet.add(device), "DAE");
        Device storage d = _device[device];
        (d.id, d.owner, d.name, d.description) = (device, msg.sender, name, description);
        (d.deviceType, d.location, d.createdAt) = (deviceType, location, block.timestamp);
        _userDevices[msg.sender].add(device);
        if (_isConfidential()) {
            _makeKeys(device);
        }

        trackChange();
    }

    function updateDevice(
        address device,
        string calldata name,
        string calldata description,
        string calldata deviceType,
        string calldata location
    ) external ownerOf(device) {
        Device storage d = _device[device];
        (d.name, d.description, d.deviceType, d.location) = (name, description, deviceType, location);
        trackChange();
    }

    /// Called by the device itself, or its owner.
    function updateDeviceLastSeen(address device) external {
        require(_deviceSet.has(device), "DNE");
        require(msg.sender == device || msg.sender == _device[device].owner || isUserAdmin(msg.sender), "AUTH");
        _device[device].lastSeen = block.timestamp;
    }

    function transferDeviceOwnership(address device, address user) external ownerOf(device) {
        require(_users.has(user), "UNE");
        _userDevices[_device[device].owner].remove(device);
        _device[device].owner = user;
        _userDevices[user].add(device);
        trackChange();
    }

    /// The device leaves the perimeter and its allow list.
    function removeDevice(address device) external ownerOf(device) {
        while (_deviceTags[device].items.length > 0) {
            address tag = _deviceTags[device].items[0];
            _deviceTags[device].remove(tag);
            _tagDevices[tag].remove(device);
        }

        _userDevices[_device[device].owner].remove(device);
        _deviceSet.remove(device);
        delete _device[device];
        delete _publicKey[device];
        delete _privateKey[device];
        _set(device, false);
        trackChange();
    }

    function getDevice(address device) external view onlyReader returns (Device memory) {
        require(_deviceSet.has(device), "DNE");
        return _device[device];
    }

    function getDeviceV2(
        address device,
        string[] calldata keys
    ) external view onlyReader returns (Device memory, string[] memory) {
        require(_deviceSet.has(device), "DNE");
        return (_device[device], _values(device, keys));
    }

    function getAllDevices() external view onlyReader returns (address[] memory) {
        return _deviceSet.items;
    }

    function getUserDevices(address user) external view onlyReader returns (address[] memory) {
        return _userDevices[user].items;
    }

    function isDeviceOwner(address device, address user) external view onlyReader returns (bool) {
        return _deviceSet.has(device) && _device[device].owner == user;
    }

    // ---- tags ----

    function createTag(
        string calldata name,
        string calldata description,
        string calldata color
    ) external onlyAdmin returns (address id) {
        id = _newId("tag");
        _tags.add(id);
        _tag[id] = Tag(id, name, description, color, block.timestamp);
        trackChange();
    }

    function updateTag(
        address tag,
        string calldata name,
        string calldata description,
        string calldata color
    ) external onlyAdmin {
        require(_tags.has(tag), "TNE");
        Tag storage t = _tag[tag];
        (t.name, t.description, t.color) = (name, description, color);
        trackChange();
    }

    function removeTag(address tag) external onlyAdmin {
        require(_tags.remove(tag), "TNE");
        while (_tagDevices[tag].items.length > 0) {
            address device = _tagDevices[tag].items[0];
            _tagDevices[tag].remove(device);
            _deviceTags[device].remove(tag);
        }

        delete _tag[tag];
        trackChange();
    }

    function addDeviceToTag(address device, address tag) external ownerOf(device) {
        require(_tags.has(tag), "TNE");
        require(_tagDevices[tag].add(device), "IN");
        _deviceTags[device].add(tag);
        trackChange();
    }

    function removeDeviceFromTag(address device, address tag) external ownerOf(device) {
        require(_tagDevices[tag].remove(device), "OUT");
        _deviceTags[device].remove(tag);
        trackChange();
    }

    function getTag(address tag) external view onlyReader returns (Tag memory) {
        require(_tags.has(tag), "TNE");
        return _tag[tag];
    }

    function getAllTags() external view onlyReader returns (address[] memory) {
        return _tags.items;
    }

    function getTagDevices(address tag) external view onlyReader returns (address[] memory) {
        require(_tags.has(tag), "TNE");
        return _tagDevices[tag].items;
    }

    function getDeviceTags(address device) external view onlyReader returns (address[] memory) {
        return _deviceTags[device].items;
    }

    function isDeviceInTag(address device, address tag) external view onlyReader returns (bool) {
        return _tagDevices[tag].has(device);
    }

    // ---- properties ----

    function setDeviceProperty(address device, string calldata key, string calldata value) external ownerOf(device) {
        _properties[device][key] = value;
        trackChange();
    }

    function getDeviceProperty(address device, string calldata key) external view returns (string memory) {
        require(_deviceSet.has(device), "DNE");
        return _properties[device][key];
    }

    function getPropertyValueDirect(address device, string calldata key) external view returns (string memory) {
        require(_deviceSet.has(device), "DNE");
        return _properties[device][key];
    }

    function getDeviceProperties(address device, string[] calldata keys) external view onlyReader returns (string[] memory) {
        require(_deviceSet.has(device), "DNE");
        return _values(device, keys);
    }

    /// Tags, or the default tag that every device without a value falls back to.
    function setTagProperty(address tag, string calldata key, string calldata value) external onlyAdmin {
        require(_tags.has(tag) || tag == defaultTag(), "TNE");
        _properties[tag][key] = value;
        trackChange();
    }

    function getTagProperty(address tag, string calldata key) external view onlyReader returns (string memory) {
        return _properties[tag][key];
    }

    function defaultTag() public pure returns (address) {
        return address(uint160(uint256(keccak256("diode_default_tag"))));
    }

    /// What a device is to apply: its own value and those of its tags, joined by blanks; else the default tag's; for "fleet" at
    /// last the fleet that lets everybody in.
    function getPropertyValue(address device, string calldata key) external view returns (string memory) {
        require(_deviceSet.has(device), "DNE");
        bytes memory value = bytes(_properties[device][key]);
        address[] storage tags = _deviceTags[device].items;
        for (uint256 i = 0; i < tags.length; i++) {
            bytes memory more = bytes(_properties[tags[i]][key]);
            if (more.length > 0) {
                value = value.length == 0 ? more : abi.encodePacked(value, " ", more);
            }
        }

        if (value.length == 0) {
            value = bytes(_properties[defaultTag()][key]);
        }

        if (value.length == 0 && keccak256(bytes(key)) == keccak256("fleet")) {
            return DEFAULT_FLEET;
        }

        return string(value);
    }

    // ---- tunnel keys ----

    function getDevicePublicKey(address device) external view onlyUser returns (bytes32) {
        return _publicKey[device];
    }

    /// Only a signed query of the device itself gets this; of use on confidential chains only.
    function getDevicePrivateKey(address device) external view returns (bytes32) {
        require(msg.sender == device, "AUTH");
        return _privateKey[device];
    }

    function generateDeviceKeyPair(address device) external {
        require(_deviceSet.has(device), "DNE");
        require(msg.sender == _device[device].owner, "AUTH");
        require(_publicKey[device] == 0, "DUP");
        require(_isConfidential(), "A key made on this chain would be public");
        _makeKeys(device);
        trackChange();
    }

    /// For keys made by the device, which alone may name its own.
    function setDevicePublicKey(bytes32 publicKey) external {
        require(_deviceSet.has(msg.sender), "DNE");
        _publicKey[msg.sender] = publicKey;
        delete _privateKey[msg.sender];
        trackChange();
    }

    // ---- inside ----

    function _found(address owner, string memory label_) private {
        _initialize(owner, owner);
        label = label_;
        _createUser(owner, "", "", "", true);
    }

    function _createUser(
        address user,
        string memory name,
        string memory email,
        string memory avatar,
        bool admin
    ) private {
        require(user != address(0), "IUA");
        require(_users.add(user), "UAE");
        _user[user] = User(user, name, email, avatar, admin, block.timestamp);
        trackChange();
    }

    function _newId(string memory kind) private returns (address) {
        return address(uint160(uint256(keccak256(abi.encodePacked(kind, address(this), ++_created)))));
    }

    function _values(address device, string[] calldata keys) private view returns (string[] memory values) {
        values = new string[](keys.length);
        for (uint256 i = 0; i < keys.length; i++) {
            values[i] = _properties[device][keys[i]];
        }
    }

    function _isConfidential() private view returns (bool) {
        return block.chainid == SAPPHIRE || block.chainid == SAPPHIRE_TESTNET;
    }

    function _makeKeys(address device) private {
        (bool drawn, bytes memory secret) = RANDOM_BYTES.staticcall(
            abi.encode(uint256(32), abi.encodePacked("ZTNA_DEVICE_", device))
        );
        require(drawn && secret.length == 32, "No random numbers on this chain");
        secret[0] &= 0xf8; // the usual clamping of a Curve25519 scalar
        secret[31] = (secret[31] & 0x7f) | 0x40;
        (bool made, bytes memory publicKey) = CURVE25519_PUBLIC_KEY.staticcall(secret);
        require(made && publicKey.length == 32, "No Curve25519 on this chain");
        _privateKey[device] = bytes32(secret);
        _publicKey[device] = bytes32(publicKey);
    }
}
