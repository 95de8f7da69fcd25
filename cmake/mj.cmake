# SPDX-License-Identifier: Apache-2.0
# How every folder of src/ is built, in one place.

# Errors only with the compiler that CI uses: another version's new warning must not stop a user's build.
set(checked_compiler OFF)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  set(checked_compiler ON)
endif()
option(MJ_WERROR "Treat warnings as errors" ${checked_compiler})
option(MJ_FUZZ "Build the libFuzzer targets (clang only)" OFF)
set(MJ_SANITIZE "" CACHE STRING "Sanitizers for every file, as in -fsanitize=: address,undefined or thread")

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM)
  set(CMAKE_CXX_COMPILER_LAUNCHER "${CCACHE_PROGRAM}")
endif()

include(CheckPIESupported)
check_pie_supported()

# Most of a file's compile time is its headers: eight files share it. What stands in an anonymous namespace has a name of
# its own within its folder, therefore.
option(CMAKE_UNITY_BUILD "Compile eight files as one" ON)
set(CMAKE_UNITY_BUILD_BATCH_SIZE 8)

set(CMAKE_CXX_FLAGS_RELEASE "-O2 -DNDEBUG")
add_library(mj_options INTERFACE)
target_compile_options(mj_options INTERFACE -Wall -Wextra -Wconversion -Wvla -fno-math-errno -fstack-protector-strong)
target_compile_options(mj_options INTERFACE $<$<CXX_COMPILER_ID:Clang>:-Wno-sign-conversion>)  # as g++ counts it
target_compile_definitions(mj_options INTERFACE _GLIBCXX_ASSERTIONS)
target_compile_definitions(mj_options INTERFACE MJ_VERSION="${PROJECT_VERSION}")
target_include_directories(mj_options INTERFACE "${CMAKE_SOURCE_DIR}/src" "${CMAKE_SOURCE_DIR}/include")
target_link_options(mj_options INTERFACE -Wl,-z,relro,-z,now)

if(MJ_SANITIZE)
  # -O1 keeps the instrumented tests within CI's time. Not -Werror: g++ warns about code that only UBSan makes.
  add_compile_options(-fsanitize=${MJ_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer -O1 -g1)
  add_link_options(-fsanitize=${MJ_SANITIZE})
else()
  # Distributions preset their own level; glibc wants optimisation on.
  target_compile_options(mj_options INTERFACE
    $<$<CONFIG:Release>:-U_FORTIFY_SOURCE> $<$<CONFIG:Release>:-D_FORTIFY_SOURCE=2>)
  if(MJ_WERROR)
    target_compile_options(mj_options INTERFACE -Werror)
  endif()
endif()
if(MJ_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link -fprofile-instr-generate -fcoverage-mapping)
  add_compile_definitions(FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION)
endif()

add_custom_target(mj_threads_tests)  # what the tsan preset builds

# mj_test(NAME SOURCES source... [DEPS target...] [LABELS label...])
#   GoogleTest executable NAME_test, run by ctest as NAME. The label "threads" puts it under ThreadSanitizer.
function(mj_test name)
  cmake_parse_arguments(arg "" "" "SOURCES;DEPS;LABELS" ${ARGN})
  if(NOT arg_SOURCES OR NOT MJ_BUILD_TESTS)
    return()
  endif()
  add_executable(${name}_test ${arg_SOURCES})
  target_link_libraries(${name}_test PRIVATE mj_options ${arg_DEPS} GTest::gtest_main)
  target_compile_definitions(${name}_test PRIVATE MJ_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
  add_test(NAME ${name} COMMAND ${name}_test)
  set_tests_properties(${name} PROPERTIES LABELS "unit;${arg_LABELS}")
  if("threads" IN_LIST arg_LABELS)
    add_dependencies(mj_threads_tests ${name}_test)
  endif()
endfunction()

# mj_module(NAME [DEPS target...] [EXCLUDE regex...] [SUBDIRS] [TEST_DEPS target...] [TEST_LABELS label...])
#   Static library mj::NAME (slashes of the folder become underscores) from every .cc of the calling folder, and a test
#   executable NAME_test from every *_test.cc beside them. SUBDIRS takes the folders below in too. Test labels: see
#   mj_test.
function(mj_module name)
  cmake_parse_arguments(arg "SUBDIRS" "" "DEPS;EXCLUDE;TEST_DEPS;TEST_LABELS" ${ARGN})
  set(glob GLOB)
  if(arg_SUBDIRS)
    set(glob GLOB_RECURSE)
  endif()
  file(${glob} sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/*.cc")
  foreach(pattern IN LISTS arg_EXCLUDE)
    list(FILTER sources EXCLUDE REGEX "${pattern}")
  endforeach()
  set(tests ${sources})
  list(FILTER sources EXCLUDE REGEX "_test\\.cc$")
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")

  add_library(mj_${name} STATIC ${sources})
  add_library(mj::${name} ALIAS mj_${name})
  target_link_libraries(mj_${name} PUBLIC mj_options ${arg_DEPS})
  mj_test(${name} SOURCES ${tests} DEPS mj_${name} ${arg_TEST_DEPS} LABELS ${arg_TEST_LABELS})
endfunction()
