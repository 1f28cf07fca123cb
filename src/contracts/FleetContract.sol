// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import "./ChangeTracker.sol";

/// A fleet: the devices its operator lets in. The operator manages devices, the accountant the stake in the registry.
/// Slots 1, 2 and 6 are where every Diode client reads operator, accountant and allow list; 0, 3-5 and 7 are kept free.
contract FleetContract is ChangeTracker {
    uint256 private _reserved0;
    address public operator;
    address public accountant;
    uint256[3] private _reserved3;
    mapping(address => bool) private _allowlist;
    uint256 private _reserved7;

    address[] private _devices;
    mapping(address => uint256) private _position; // index + 1

    event DeviceAllowlistChanged(address indexed device, bool allowed);
    event OperatorChanged(address indexed previous, address indexed next);

    modifier onlyOperator() {
        require(msg.sender == operator, "Only the operator can call this method");
        _;
    }

    /// Both zero: the contract serves as the code of a proxy and is initialized there.
    constructor(address operator_, address accountant_) {
        if (operator_ != address(0)) {
            _initialize(operator_, accountant_);
        }
    }

    function initialize(address owner) external virtual {
        _initialize(owner, owner);
    }

    function initialize(address operator_, address accountant_) external virtual {
        _initialize(operator_, accountant_);
    }

    function Version() external pure virtual returns (int256) {
        return 400;
    }

    function Operator() external view returns (address) {
        return operator;
    }

    function Accountant() external view returns (address) {
        return accountant;
    }

    function DeviceAllowlist(address device) external view returns (bool) {
        return _allowlist[device];
    }

    function deviceWhitelist(address device) external view returns (bool) {
        return _allowlist[device];
    }

    function SetDeviceAllowlist(address device, bool allowed) external onlyOperator {
        _set(device, allowed);
    }

    function SetDeviceWhitelist(address device, bool allowed) external onlyOperator {
        _set(device, allowed);
    }

    function AddDeviceBatch(address[] calldata devices) external onlyOperator {
        for (uint256 i = 0; i < devices.length; i++) {
            _set(devices[i], true);
        }
    }

    function RemoveDeviceBatch(address[] calldata devices) external onlyOperator {
        for (uint256 i = 0; i < devices.length; i++) {
            _set(devices[i], false);
        }
    }

    function GetDeviceCount() external view returns (uint256) {
        return _devices.length;
    }

    /// At most `limit` devices from `offset` on; empty past the end.
    function GetDeviceList(uint256 offset, uint256 limit) external view returns (address[] memory page) {
        uint256 left = offset < _devices.length ? _devices.length - offset : 0;
        page = new address[](limit < left ? limit : left);
        for (uint256 i = 0; i < page.length; i++) {
            page[i] = _devices[offset + i];
        }
    }

    /// The new operator becomes accountant, too.
    function transferOperator(address next) external onlyOperator {
        require(next != address(0), "The operator can't be zero");
        emit OperatorChanged(operator, next);
        operator = next;
        accountant = next;
        trackChange();
    }

    function _initialize(address operator_, address accountant_) internal {
        require(operator == address(0), "Already initialized");
        require(operator_ != address(0) && accountant_ != address(0), "The operator can't be zero");
        operator = operator_;
        accountant = accountant_;
        emit OperatorChanged(address(0), operator_);
        trackChange();
    }

    function _set(address device, bool allowed) internal {
        if (_allowlist[device] == allowed) {
            return;
        }

        _allowlist[device] = allowed;
        if (allowed) {
            _devices.push(device);
            _position[device] = _devices.length;
        } else {
            uint256 position = _position[device];
            address last = _devices[_devices.length - 1];
            _devices[position - 1] = last;
            _position[last] = position;
            _devices.pop();
            delete _position[device];
        }

        emit DeviceAllowlistChanged(device, allowed);
        trackChange();
    }
}
