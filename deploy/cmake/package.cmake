# The Debian package, by CPack: `cpack --config build/release/CPackConfig.cmake`. deploy/release makes
# it for all machines. The component `program` is what `cmake --install` has of it; `debian` is for
# the package alone. With SOURCE_DATE_EPOCH the same sources give the same octets.
install(FILES deploy/debian/Corefile DESTINATION /etc/clusterdns COMPONENT debian EXCLUDE_FROM_ALL)
install(DIRECTORY DESTINATION /etc/clusterdns/manifests COMPONENT debian EXCLUDE_FROM_ALL)
install(FILES LICENSE DESTINATION /usr/share/doc/clusterdns RENAME copyright COMPONENT debian EXCLUDE_FROM_ALL)
# What is linked into the program has licences of its own. Boost's asks for no notice in programs.
install(CODE "
  execute_process(COMMAND bash -c \". ${PROJECT_SOURCE_DIR}/deploy/packages; IFS=';'; printf %s \\\"\\\${STATIC_PACKAGES[*]}\\\"\"
    OUTPUT_VARIABLE packages COMMAND_ERROR_IS_FATAL ANY)
  foreach(package \${packages})
    set(path \"\$ENV{DESTDIR}/usr/share/doc/clusterdns/licences/\${package}\")
    if(package MATCHES \"^libboost\")
      file(WRITE \"\${path}\" \"Boost Software License 1.0: https://www.boost.org/LICENSE_1_0.txt\\n\")
    elseif(EXISTS \"/usr/share/doc/\${package}/copyright\")
      file(READ \"/usr/share/doc/\${package}/copyright\" text)
      file(WRITE \"\${path}\" \"\${text}\")
    endif()
  endforeach()" COMPONENT debian EXCLUDE_FROM_ALL)

if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64)$")
  set(CPACK_DEBIAN_PACKAGE_ARCHITECTURE arm64)
else()
  set(CPACK_DEBIAN_PACKAGE_ARCHITECTURE amd64)
endif()
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME clusterdns)
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_DEBIAN_FILE_NAME clusterdns_${PROJECT_VERSION}_${CPACK_DEBIAN_PACKAGE_ARCHITECTURE}.deb)
set(CPACK_DEBIAN_PACKAGE_MAINTAINER "The clusterdns authors <clusterdns@clusterdns.invalid>")
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION "DNS server for Kubernetes clusters
 Answers the names of a Kubernetes cluster: from plain manifests on a laptop or in
 a test, and from the Kubernetes API as a drop-in for CoreDNS.")
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS OFF)  # it is one static program
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
foreach(file postinst prerm postrm conffiles)
  list(APPEND CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA ${PROJECT_SOURCE_DIR}/deploy/debian/${file})
endforeach()
set(CPACK_DEBIAN_COMPRESSION_TYPE xz)
set(CPACK_THREADS 1)
set(CPACK_STRIP_FILES ON)
# The unit names the program by its whole path, and the Corefile is in /etc.
set(CPACK_SET_DESTDIR ON)
set(CPACK_INSTALL_PREFIX /usr)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_GROUPING ALL_COMPONENTS_IN_ONE)
set(CPACK_COMPONENTS_ALL program debian)
include(CPack)
