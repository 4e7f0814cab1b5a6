# Rooms: the folders of the program, and what each of them may use.
#
# clusterdns_room(FOLDER [USES ROOM…] [LIBRARIES TARGET…]) compiles the sources of a folder. They find
# the headers of FOLDER and of what it uses, directly or not, and no others: an `#include` that goes
# up, or aside, is a file that is not there. A room is declared behind those that it uses, so that
# there can be no circle. Each header compiles alone: NAME.cc includes NAME.h before anything else, and
# `cmake --build … --target headers` compiles those that have no such source.
#
# clusterdns_archive(TARGET) makes an archive of all rooms declared since the last one.

# The headers of a room stand below a folder of their own, as links.
set(CLUSTERDNS_ROOMS_DIR ${PROJECT_BINARY_DIR}/rooms)
file(REMOVE_RECURSE ${CLUSTERDNS_ROOMS_DIR})
add_custom_target(headers)

# Headers of libraries that most sources read, precompiled where the whole program is compiled for one
# run: sanitizers, another machine. The usual build does without, and so shows that each file includes
# what it uses.
if(CLUSTERDNS_SANITIZE OR CMAKE_CROSSCOMPILING)
  file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/precompiled.cc CONTENT "" @ONLY)
  add_library(clusterdns_precompiled OBJECT ${PROJECT_BINARY_DIR}/precompiled.cc)
  target_precompile_headers(clusterdns_precompiled PRIVATE ${CMAKE_CURRENT_LIST_DIR}/precompiled.h)
  add_library(clusterdns_precompiled_uses INTERFACE)
  target_compile_options(clusterdns_precompiled_uses INTERFACE -pthread)
  target_compile_definitions(clusterdns_precompiled_uses INTERFACE
    $<TARGET_PROPERTY:clusterdns_asio,INTERFACE_COMPILE_DEFINITIONS>)
  target_link_libraries(clusterdns_precompiled_uses INTERFACE Boost::headers spdlog::spdlog
    OpenSSL::SSL Threads::Threads)
  target_link_libraries(clusterdns_precompiled PRIVATE clusterdns_precompiled_uses clusterdns_warnings)
endif()

function(clusterdns_room folder)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "USES;LIBRARIES")
  if(arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "Room ${folder}: what is ${arg_UNPARSED_ARGUMENTS}?")
  endif()
  string(REPLACE "/" "_" room "room_${folder}")
  file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${folder}/*.cc)
  file(GLOB headers CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${folder}/*.h)
  list(FILTER sources EXCLUDE REGEX "/app/main\\.cc$")

  set(links ${CLUSTERDNS_ROOMS_DIR}/${room})
  file(MAKE_DIRECTORY ${links}/${folder})
  foreach(header ${headers})
    get_filename_component(name ${header} NAME)
    file(CREATE_LINK ${header} ${links}/${folder}/${name} SYMBOLIC)
  endforeach()

  add_library(${room}_uses INTERFACE)
  target_include_directories(${room}_uses INTERFACE ${links})
  foreach(used ${arg_USES})
    string(REPLACE "/" "_" target "room_${used}")
    if(NOT TARGET ${target}_uses)
      message(FATAL_ERROR "Room ${folder} uses ${used}, which is not declared before it. Arrows between rooms run one way: see ARCHITECTURE.md")
    endif()
    target_link_libraries(${room}_uses INTERFACE ${target}_uses)
  endforeach()
  target_link_libraries(${room}_uses INTERFACE ${arg_LIBRARIES})

  if(sources)
    add_library(${room} OBJECT ${sources})
    target_link_libraries(${room} PRIVATE ${room}_uses clusterdns_warnings)
    target_compile_definitions(${room} PRIVATE CLUSTERDNS_VERSION="${PROJECT_VERSION}")
    if(TARGET clusterdns_precompiled)
      target_link_libraries(${room} PRIVATE clusterdns_precompiled_uses)
      target_precompile_headers(${room} REUSE_FROM clusterdns_precompiled)
    endif()
    set_property(GLOBAL APPEND PROPERTY CLUSTERDNS_ARCHIVE_ROOMS ${room})
    set_property(GLOBAL APPEND PROPERTY CLUSTERDNS_ALL_ROOMS ${room})
  endif()

  # The others as the only line of a source. What is generated changes only when the list does.
  foreach(header ${headers})
    get_filename_component(name ${header} NAME_WE)
    set(own_source ${PROJECT_SOURCE_DIR}/${folder}/${name}.cc)
    if(EXISTS ${own_source})
      file(STRINGS ${own_source} first REGEX "^#include" LIMIT_COUNT 1)
      if(NOT first STREQUAL "#include \"${folder}/${name}.h\"")
        message(FATAL_ERROR "${own_source} includes ${folder}/${name}.h first, so that the header needs nothing before it")
      endif()
      continue()
    endif()
    set(source ${PROJECT_BINARY_DIR}/headers/${folder}/${name}.cc)
    file(CONFIGURE OUTPUT ${source} CONTENT "#include \"${folder}/${name}.h\"\n" @ONLY)
    list(APPEND alone ${source})
  endforeach()
  if(alone)
    add_library(${room}_headers OBJECT EXCLUDE_FROM_ALL ${alone})
    target_link_libraries(${room}_headers PRIVATE ${room}_uses clusterdns_warnings)
    target_compile_definitions(${room}_headers PRIVATE CLUSTERDNS_VERSION="${PROJECT_VERSION}")
    target_compile_options(${room}_headers PRIVATE -O0)
    add_dependencies(headers ${room}_headers)
  endif()
  set_property(GLOBAL APPEND PROPERTY CLUSTERDNS_ROOM_FOLDERS ${folder})
endfunction()

function(clusterdns_archive target)
  get_property(rooms GLOBAL PROPERTY CLUSTERDNS_ARCHIVE_ROOMS)
  set_property(GLOBAL PROPERTY CLUSTERDNS_ARCHIVE_ROOMS "")
  list(TRANSFORM rooms REPLACE "(.+)" "$<TARGET_OBJECTS:\\1>")
  add_library(${target} STATIC ${rooms})
  # For tests, benchmarks and the program: they may use every header.
  target_include_directories(${target} PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>)

  # A source outside of all rooms would be compiled by nobody.
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cc)
  get_property(folders GLOBAL PROPERTY CLUSTERDNS_ROOM_FOLDERS)
  foreach(source ${sources})
    get_filename_component(folder ${source} DIRECTORY)
    file(RELATIVE_PATH folder ${PROJECT_SOURCE_DIR} ${folder})
    if(NOT folder IN_LIST folders AND NOT folder MATCHES "^(app|dns)$")
      message(FATAL_ERROR "${source} is in no room: declare clusterdns_room(${folder} …)")
    endif()
  endforeach()
endfunction()
