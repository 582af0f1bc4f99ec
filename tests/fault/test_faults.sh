#!/usr/bin/env bash
# A sample of what `make torture` does for every call.
. tests/fault/faults.sh
prepare
fault_loop EIO write 13
fault_loop ENOSPC file 23
fault_loop EIO fsync 11
fault_loop EIO rename 7
fault_loop ENOMEM alloc 61
finish
