# SPDX-License-Identifier: Apache-2.0
# Libraries are found in the system, never vendored. Heavy headers stay out of ours.

option(MJ_BUILD_TESTS "Build the unit tests" ON)

find_package(fmt CONFIG REQUIRED)
find_package(nlohmann_json CONFIG REQUIRED)
find_package(CLI11 CONFIG REQUIRED)
find_package(OpenSSL REQUIRED COMPONENTS Crypto)
find_package(Threads REQUIRED)
find_package(ZLIB REQUIRED)
find_path(PROTOZERO_INCLUDE_DIR protozero/pbf_message.hpp REQUIRED)  # ships no package file
if(MJ_BUILD_TESTS)
  find_package(GTest CONFIG REQUIRED)
endif()
