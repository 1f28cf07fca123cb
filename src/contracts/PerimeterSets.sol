// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// An enumerable set of addresses; removing one puts the last in its place.
library PerimeterSets {
    struct Set {
        address[] items;
        mapping(address => uint256) position; // index + 1
    }

    function has(Set storage set, address item) internal view returns (bool) {
        return set.position[item] != 0;
    }

    function add(Set storage set, address item) internal returns (bool) {
        if (has(set, item)) {
            return false;
        }

        set.items.push(item);
        set.position[item] = set.items.length;
        return true;
    }

    function remove(Set storage set, address item) internal returns (bool) {
        uint256 position = set.position[item];
        if (position == 0) {
            return false;
        }

        address last = set.items[set.items.length - 1];
        set.items[position - 1] = last;
        set.position[last] = position;
        set.items.pop();
        delete set.position[item];
        return true;
    }
}
