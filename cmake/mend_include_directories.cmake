# Two repairs for ROS packages that were installed as wheels into a virtual environment.  On an ordinary ROS
# installation nothing matches and nothing changes.
#
# - The wheels' CMake targets name include directories of the machine they were built on (/opt/python/...), and CMake
#   refuses a target whose include directory is not there: such directories are dropped.
# - A virtual environment inside this source tree puts NumPy's headers there, and CMake refuses to export a target with
#   an include directory below the sources: such directories are marked as meant for building only.
#
# Deferred to the end of the directory, so that targets imported or made later are covered.

function(_hetnet_mend_include_directories)
  get_property(imported DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}" PROPERTY IMPORTED_TARGETS)
  get_property(own DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}" PROPERTY BUILDSYSTEM_TARGETS)
  foreach(target IN LISTS imported own)
    get_target_property(directories ${target} INTERFACE_INCLUDE_DIRECTORIES)
    if(NOT directories)
      continue()
    endif()
    set(mended "")
    foreach(directory IN LISTS directories)
      string(FIND "${directory}" "${CMAKE_CURRENT_SOURCE_DIR}/" in_sources)
      if(directory MATCHES "^/opt/python/")
        continue()
      elseif(target IN_LIST own AND in_sources EQUAL 0)
        set(directory "$<BUILD_INTERFACE:${directory}>")
      endif()
      list(APPEND mended "${directory}")
    endforeach()
    set_target_properties(${target} PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${mended}")
  endforeach()
endfunction()

cmake_language(DEFER CALL _hetnet_mend_include_directories)
