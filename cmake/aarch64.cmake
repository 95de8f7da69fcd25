# SPDX-License-Identifier: Apache-2.0
# Cross build for aarch64. scripts/cross_root.sh unpacks the libraries into build/aarch64-root; tests run under qemu-user.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)
set(CMAKE_CROSSCOMPILING_EMULATOR "qemu-aarch64;-L;/usr/aarch64-linux-gnu")

set(CMAKE_FIND_ROOT_PATH "${CMAKE_CURRENT_LIST_DIR}/../build/aarch64-root")
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
# Headers of one architecture lie in a folder of their own, which find_path does not report.
set(CMAKE_CXX_STANDARD_INCLUDE_DIRECTORIES
    "${CMAKE_CURRENT_LIST_DIR}/../build/aarch64-root/usr/include/${CMAKE_LIBRARY_ARCHITECTURE}")
