# SPDX-License-Identifier: Apache-2.0
# What is shipped, and the checks on the tree and on the shipped files that ctest runs. Included after src/.

add_custom_target(shipped)
foreach(target millijoule millijoule_runtime millijoule_shared mj_onednn)
  if(TARGET ${target})
    add_dependencies(shipped ${target})
  endif()
endforeach()

# By its path: a cross build would start the imported target under the emulator.
find_package(Python3 COMPONENTS Interpreter)
if(Python3_FOUND AND MJ_BUILD_TESTS)
  add_test(NAME layers COMMAND "${Python3_EXECUTABLE}" "${CMAKE_SOURCE_DIR}/scripts/layers.py")
  add_test(NAME spdx COMMAND "${Python3_EXECUTABLE}" "${CMAKE_SOURCE_DIR}/scripts/spdx.py")
  set_tests_properties(layers spdx PROPERTIES LABELS checks)
  if(TARGET millijoule_runtime AND NOT MJ_SANITIZE)
    # The linker's map names every archive on the link line, so it shows what the runtime really drags in.
    set(map "${CMAKE_BINARY_DIR}/millijoule_runtime.map")
    target_link_options(millijoule_runtime PRIVATE "-Wl,-Map=${map}")
    add_test(NAME runtime_size COMMAND "${Python3_EXECUTABLE}" "${CMAKE_SOURCE_DIR}/scripts/runtime_size.py"
      --library $<TARGET_FILE:millijoule_runtime> --map "${map}" --strip "${CMAKE_STRIP}")
    set_tests_properties(runtime_size PROPERTIES LABELS unit)
  endif()
endif()
