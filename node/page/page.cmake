# The pages of their parts, each one file that refers to no other: ${PAGE_HTML}, the one that verifies receipts, and ${PAGE_C}, all of
# them as arrays.  A policy lets the browser run the script and use the style that have these hashes, and
# nothing else; page_NAME_policy[] is that policy, for the header that a node sends with it.

# SHA-256 of a text, in base64 as a policy wants it: three hex digits make two characters.
function(policy_hash text out)
  set(alphabet ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/)
  string(SHA256 digits "${text}")
  string(APPEND digits "00")
  set(hash "'sha256-")
  foreach(at RANGE 0 63 3)
    string(SUBSTRING ${digits} ${at} 3 group)
    math(EXPR high "0x${group} / 64")
    math(EXPR low "0x${group} % 64")
    string(SUBSTRING ${alphabet} ${high} 1 first)
    string(SUBSTRING ${alphabet} ${low} 1 second)
    string(APPEND hash ${first}${second})
  endforeach()
  string(REGEX REPLACE ".$" "='" hash "${hash}") # 43 characters, and what fills them up
  set(${out} "${hash}" PARENT_SCOPE)
endfunction()

# make_page(NAME CONNECT SCRIPT...): page_NAME[] in ${NAME}_C, and ${NAME}_HTML, of NAME.html, NAME.css and the scripts.
# CONNECT: what the policy lets it connect to.
set(page_dir ${CMAKE_CURRENT_LIST_DIR})
function(make_page name connect)
  set(script "\n\"use strict\";\n")
  foreach(part ${ARGN})
    file(READ ${page_dir}/${part}.js text)
    string(APPEND script "\n${text}")
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${page_dir}/${part}.js)
  endforeach()
  file(READ ${page_dir}/${name}.css style)
  file(READ ${page_dir}/${name}.html html)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${page_dir}/${name}.css ${page_dir}/${name}.html ${page_dir}/head.html)
  policy_hash("${script}" script_hash)
  policy_hash("${style}" style_hash)
  set(policy "default-src 'none'; script-src ${script_hash}; style-src ${style_hash}; img-src data:; ")
  string(APPEND policy "connect-src ${connect}; base-uri 'none'; form-action 'none'")
  file(READ ${page_dir}/head.html head)
  foreach(part head policy style script)
    string(REPLACE "@${part}@" "${${part}}" html "${html}")
  endforeach()
  file(CONFIGURE OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/${name}.html CONTENT "@html@" @ONLY)
  file(READ ${CMAKE_CURRENT_BINARY_DIR}/${name}.html text HEX)
  string(REGEX REPLACE "(..)" "0x\\1," text "${text}")
  file(CONFIGURE OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/page_${name}.c @ONLY CONTENT "#include \"page.h\"
const char page_@name@_policy[] = \"@policy@\";
const unsigned char page_@name@[] = {@text@0};
const unsigned long page_@name@_len = sizeof page_@name@ - 1;
")
endfunction()

# make_text(NAME FILE): page_NAME[] in ${CMAKE_CURRENT_BINARY_DIR}/page_NAME.c, of a file as it is.
function(make_text name file)
  file(READ ${file} text HEX)
  string(REGEX REPLACE "(..)" "0x\\1," text "${text}")
  file(CONFIGURE OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/page_${name}.c @ONLY CONTENT "#include \"page.h\"
const unsigned char page_@name@[] = {@text@0};
const unsigned long page_@name@_len = sizeof page_@name@ - 1;
")
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
endfunction()

make_text(openapi ${page_dir}/../openapi.json)
make_page(verify "'none'" sha2 curves json xdr genesis receipt text view)
make_page(explorer "'self'" text explorer)
set(PAGE_HTML ${CMAKE_CURRENT_BINARY_DIR}/verify.html)
set(PAGE_C ${CMAKE_CURRENT_BINARY_DIR}/page_verify.c ${CMAKE_CURRENT_BINARY_DIR}/page_explorer.c
  ${CMAKE_CURRENT_BINARY_DIR}/page_openapi.c)
