# What an installation has beside the program, and the Debian package of it all:
#
#   docker/install-packages build package
#   cmake --preset release && cmake --build --preset release
#   cmake --install build/release --prefix /usr/local
#   (cd build/release && cpack -G DEB)
#
# Man pages and the example are made by the program itself, so it has to run where it is built.  Without scdoc
# there is only the program; nobody installs one that is sanitized or has a seeded bug.

find_program(SCDOC scdoc)
if(NOT SCDOC OR CMAKE_CROSSCOMPILING OR QUORATE_SANITIZE OR NOT MUTANT STREQUAL "")
  return()
endif()
set(here ${CMAKE_CURRENT_LIST_DIR})
set(made ${PROJECT_BINARY_DIR}/package)
file(MAKE_DIRECTORY ${made})

# docs/man/quorate-node.1.scd -> quorate-node.1.gz
set(header ${PROJECT_SOURCE_DIR}/node/lib/quorate.h)
file(GLOB pages CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/docs/man/*.scd)
foreach(source ${pages})
  get_filename_component(name ${source} NAME_WLE) # quorate-node.1
  string(REGEX MATCH "[0-9]$" section ${name})
  add_custom_command(OUTPUT ${made}/${name}.gz
    COMMAND awk -v program=$<TARGET_FILE:quorate> -v version=${PROJECT_VERSION} -v header=${header} -f ${here}/manual.awk
      ${source} > ${name}.scd
    COMMAND ${SCDOC} < ${name}.scd > ${name}
    COMMAND gzip -9nf ${name}
    WORKING_DIRECTORY ${made}
    DEPENDS quorate ${here}/manual.awk ${source} ${header}
    COMMENT "Man page ${name}")
  list(APPEND outputs ${made}/${name}.gz)
  set(component Unspecified)
  if(section EQUAL 3)
    set(component development)
  endif()
  install(FILES ${made}/${name}.gz DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section} COMPONENT ${component})
endforeach()

# The example of node.conf is the one that `quorate node init` writes.
add_custom_command(OUTPUT ${made}/node.conf
  COMMAND ${CMAKE_COMMAND} -E rm -rf home
  COMMAND quorate node init --home home --name example --address tcp://ledger.example:7580 --plain > line
  COMMAND ${CMAKE_COMMAND} -E copy home/node.conf node.conf
  COMMAND ${CMAKE_COMMAND} -E rm -r home line
  WORKING_DIRECTORY ${made}
  DEPENDS quorate
  COMMENT "Example of node.conf")
list(APPEND outputs ${made}/node.conf)
install(FILES ${made}/node.conf DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples)

add_custom_command(OUTPUT ${made}/changelog.gz
  COMMAND gzip -9nc ${here}/changelog > ${made}/changelog.gz
  DEPENDS ${here}/changelog)
list(APPEND outputs ${made}/changelog.gz)
install(FILES ${made}/changelog.gz ${here}/copyright DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(FILES ${made}/changelog.gz ${here}/copyright DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/libquorate0
  COMPONENT library)
install(FILES ${made}/changelog.gz ${here}/copyright DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/libquorate-dev
  COMPONENT development)

add_custom_target(package_files ALL DEPENDS ${outputs})
install(FILES ${here}/completion.bash DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME quorate)
install(FILES ${here}/completion.zsh DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions RENAME _quorate)
install(FILES ${here}/quorate@.service DESTINATION lib/systemd/system)
# What lintian warns of, and why it is so.
set(overrides ${CMAKE_INSTALL_DATADIR}/lintian/overrides)
install(FILES ${here}/overrides/quorate DESTINATION ${overrides})
install(FILES ${here}/overrides/libquorate0 DESTINATION ${overrides} COMPONENT library)
install(FILES ${here}/overrides/libquorate-dev DESTINATION ${overrides} COMPONENT development)

# ---- cpack -G DEB ---------------------------------------------------------------------------

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_CONTACT "The quorate maintainers <maintainers@quorate.example>" CACHE STRING
  "Who answers for a package: NAME <ADDRESS>")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT) # quorate_0.1.0_amd64.deb
set(CPACK_DEBIAN_COMPRESSION_TYPE xz)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS_POLICY >=) # functions are only added
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)

# Three packages, as Debian divides what has a library. What is installed without a component is the program's.
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "") # each has its own
set(CPACK_COMPONENTS_ALL Unspecified library development)
set(CPACK_COMPONENTS_GROUPING IGNORE)

set(CPACK_DEBIAN_UNSPECIFIED_PACKAGE_NAME quorate)
set(CPACK_DEBIAN_UNSPECIFIED_PACKAGE_SECTION net)
set(CPACK_DEBIAN_UNSPECIFIED_DESCRIPTION "Byzantine-tolerant permissioned ledger node
Organisations that do not fully trust one another run one replica each; four
replicas tolerate one arbitrary traitor. Together they keep one ledger of
signed transactions in which nothing is ever spent twice. Each node's ledger
is an SQLite file that anybody with the genesis file can audit to the last
signature, without trusting the node that wrote it.")
set(CPACK_DEBIAN_UNSPECIFIED_PACKAGE_DEPENDS adduser)
set(CPACK_DEBIAN_UNSPECIFIED_PACKAGE_CONTROL_EXTRA ${here}/postinst ${here}/prerm ${here}/postrm)

set(CPACK_DEBIAN_LIBRARY_PACKAGE_NAME libquorate0)
set(CPACK_DEBIAN_LIBRARY_PACKAGE_SECTION libs)
set(CPACK_DEBIAN_LIBRARY_PACKAGE_CONTROL_EXTRA ${here}/triggers)
set(CPACK_DEBIAN_LIBRARY_DESCRIPTION "client library of quorate
Pays on a chain of quorate nodes and proves what happened there: keys,
transactions, receipts that are verified against the genesis alone.")

set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_NAME libquorate-dev)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS "libquorate0 (= ${PROJECT_VERSION})")
set(CPACK_DEBIAN_DEVELOPMENT_DESCRIPTION "client library of quorate: header, manual and examples
What it takes to build a program on libquorate.")
include(CPack)
