# Cross compiling for arm64 with Debian's g++-aarch64-linux-gnu. What differs by architecture is below
# build/foreign-arm64 (deploy/image/foreign_libraries); headers that do not, such as Boost's and
# spdlog's, are this machine's.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(foreign ${CMAKE_CURRENT_LIST_DIR}/../../build/foreign-arm64)
set(CMAKE_FIND_ROOT_PATH ${foreign})
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE BOTH)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE BOTH)
set(CMAKE_CXX_FLAGS_INIT
  "-isystem ${foreign}/usr/include/aarch64-linux-gnu -isystem ${foreign}/usr/include")
# pkg-config speaks of that architecture's folders; this machine's would bring in its own libc.
set(ENV{PKG_CONFIG_LIBDIR} ${foreign}/usr/lib/aarch64-linux-gnu/pkgconfig)
set(ENV{PKG_CONFIG_SYSROOT_DIR} ${foreign})
# CMake's descriptions of packages are in folders by architecture too. Their headers are used; the
# shared libraries that they name are not, since only the program is built, with archives.
file(GLOB descriptions /usr/lib/*-linux-gnu/cmake)
list(APPEND CMAKE_PREFIX_PATH ${descriptions})
