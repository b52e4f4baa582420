# ROS packages installed as wheels carry CMake targets that name include directories of the machine they were built on
# (/opt/python/...).  CMake refuses a target whose include directory is not there.  This drops such directories from the
# imported targets once the project has been read; on an ordinary ROS installation nothing matches and nothing changes.
# It stays valid when a target is imported later in the file, because the call is deferred to the end of the directory.

function(_hetnet_drop_foreign_include_dirs)
  get_property(targets DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}" PROPERTY IMPORTED_TARGETS)
  foreach(target IN LISTS targets)
    get_target_property(directories ${target} INTERFACE_INCLUDE_DIRECTORIES)
    if(NOT directories)
      continue()
    endif()
    set(kept ${directories})
    list(FILTER kept EXCLUDE REGEX "^/opt/python/")
    if(NOT "${kept}" STREQUAL "${directories}")
      set_target_properties(${target} PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${kept}")
    endif()
  endforeach()
endfunction()

cmake_language(DEFER CALL _hetnet_drop_foreign_include_dirs)
