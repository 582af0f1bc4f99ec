#!/usr/bin/env bash
# make torture: every call of every kind fails once. Hours.
. tests/fault/faults.sh
prepare
for action in EIO ENOSPC; do
    for call in write fsync rename open close unlink mkdir rmdir ftruncate; do
        fault_loop $action $call 1
    done
done
fault_loop ENOMEM alloc 1
finish
