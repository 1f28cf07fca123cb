// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// Stands in for the precompiled CallPermit of Moonbeam (diode-contracts §11.9): the same functions, words and digest. What it can't do is to
/// call in the signer's name: the called contract sees this one.
contract CallPermit {
    bytes32 private constant DOMAIN_TYPE = keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
    bytes32 private constant PERMIT_TYPE =
        keccak256("CallPermit(address from,address to,uint256 value,bytes data,uint64 gaslimit,uint256 nonce,uint256 deadline)");

    mapping(address => uint256) public nonces;

    function DOMAIN_SEPARATOR() public view returns (bytes32) {
        return keccak256(abi.encode(DOMAIN_TYPE, keccak256("Call Permit Precompile"), keccak256("1"), block.chainid, address(this)));
    }

    function dispatch(
        address from, address to, uint256 value, bytes calldata data, uint64 gaslimit, uint256 deadline, uint8 v, bytes32 r, bytes32 s
    ) external returns (bytes memory) {
        require(block.timestamp <= deadline, "Permit expired");
        bytes32 digest = _digest(from, to, value, keccak256(data), gaslimit, deadline);
        require(from != address(0) && ecrecover(digest, v, r, s) == from, "Invalid permit");
        nonces[from]++;
        return _call(to, value, data, gaslimit);
    }

    function _digest(
        address from, address to, uint256 value, bytes32 data, uint64 gaslimit, uint256 deadline
    ) private view returns (bytes32) {
        bytes32 permit = keccak256(abi.encode(PERMIT_TYPE, from, to, value, data, gaslimit, nonces[from], deadline));
        return keccak256(abi.encodePacked(hex"1901", DOMAIN_SEPARATOR(), permit));
    }

    function _call(address to, uint256 value, bytes calldata data, uint64 gaslimit) private returns (bytes memory) {
        (bool success, bytes memory output) = to.call{value: value, gas: gaslimit}(data);
        if (!success) {
            assembly {
                revert(add(output, 32), mload(output))
            }
        }

        return output;
    }
}
