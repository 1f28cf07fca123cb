// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// Remembers the block of the last change in one fixed slot, so that a reader asks one word to learn whether anything changed.
abstract contract ChangeTracker {
    // No preimage is known to collide with Solidity's own layout; readers find it without knowing the contract.
    uint256 private constant CHANGE_SLOT = 0x1e4717b2dc5dfd7f487f2043bfe9999372d693bf4d9c51b5b84f1377939cd487;

    /// Block number of the last change.
    function change_tracker() public view returns (uint256 blockNumber) {
        assembly {
            blockNumber := sload(CHANGE_SLOT)
        }
    }

    function trackChange() internal {
        assembly {
            sstore(CHANGE_SLOT, number())
        }
    }
}
