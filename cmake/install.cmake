# What `cmake --install` and the Debian package hold: the program, its data, the guide, the manual page and completion (both written
# by the program itself), and the licences of what is bundled into the pages.
set(written ${CMAKE_BINARY_DIR}/written)
add_custom_command(
  OUTPUT ${written}/boldmill.1 ${written}/boldmill.bash
  COMMAND ${CMAKE_COMMAND} -E make_directory ${written}
  COMMAND boldmill help --man > ${written}/boldmill.1
  COMMAND boldmill help --completion > ${written}/boldmill.bash
  DEPENDS boldmill
  COMMENT "Writing the manual page and the completion"
  VERBATIM)
set(documents ${written}/boldmill.1 ${written}/boldmill.bash)

set(web ${PROJECT_SOURCE_DIR}/pipeline/report/web)
if(BOLDMILL_NODE AND EXISTS ${web}/node_modules/esbuild/package.json)
  add_custom_command(
    OUTPUT ${written}/LICENSES.bundled.txt
    COMMAND ${BOLDMILL_NODE} ${web}/licences.mjs ${written}/LICENSES.bundled.txt
    DEPENDS ${web}/licences.mjs ${web}/package-lock.json
    COMMENT "Collecting the licences of what the pages hold"
    VERBATIM)
  list(APPEND documents ${written}/LICENSES.bundled.txt)
  install(FILES ${written}/LICENSES.bundled.txt DESTINATION ${CMAKE_INSTALL_DOCDIR})
endif()
add_custom_target(boldmill_documents ALL DEPENDS ${documents})

install(FILES ${written}/boldmill.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(FILES ${written}/boldmill.bash DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME boldmill)
install(DIRECTORY configs DESTINATION ${CMAKE_INSTALL_DATADIR}/boldmill)
install(DIRECTORY share/boldmill/templates DESTINATION ${CMAKE_INSTALL_DATADIR}/boldmill OPTIONAL PATTERN "*.part" EXCLUDE)
install(FILES README.md CHANGELOG.md CITATION.cff LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY docs DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY scripts/examples DESTINATION ${CMAKE_INSTALL_DOCDIR})
# Debian's name of the licence.
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} RENAME copyright)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME boldmill)
set(CPACK_PACKAGE_VENDOR "boldmill")
set(CPACK_PACKAGE_CONTACT "The boldmill developers")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "brain-circuit scores and cross-validated predictions from BIDS cohorts")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS mricron-data) # AAL, and regions that are made of it
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "bash-completion, man-db")
include(CPack)
