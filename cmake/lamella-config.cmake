# find_package(lamella): the target lamella::lamella, the shared library with its header, and, where it was installed with
# -DLAMELLA_STATIC=ON, lamella::static.
get_filename_component(lamella_ROOT_DIR "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)

if(NOT TARGET lamella::lamella)
  add_library(lamella::lamella SHARED IMPORTED)
  set_target_properties(lamella::lamella PROPERTIES
    IMPORTED_LOCATION "${lamella_ROOT_DIR}/lib/liblamella.so"
    IMPORTED_SONAME liblamella.so
    INTERFACE_INCLUDE_DIRECTORIES "${lamella_ROOT_DIR}/include")
endif()

if(NOT TARGET lamella::static AND EXISTS "${lamella_ROOT_DIR}/lib/liblamella.a")
  find_package(Threads REQUIRED)
  add_library(lamella::static STATIC IMPORTED)
  set_target_properties(lamella::static PROPERTIES
    IMPORTED_LOCATION "${lamella_ROOT_DIR}/lib/liblamella.a"
    IMPORTED_LINK_INTERFACE_LANGUAGES CXX
    INTERFACE_LINK_LIBRARIES "gomp;Threads::Threads"
    INTERFACE_INCLUDE_DIRECTORIES "${lamella_ROOT_DIR}/include")
endif()
