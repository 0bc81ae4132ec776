# The page that verifies receipts, of its parts: ${PAGE_HTML}, one file that refers to no other, and ${PAGE_C}, the same
# as page_verify[].  Its policy lets the browser run the script and use the style that have these hashes, and
# nothing else; page_policy[] is that policy, for the header that a node sends with it.

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

set(page_dir ${CMAKE_CURRENT_LIST_DIR})
set(script "\n\"use strict\";\n")
foreach(name sha2 curves json xdr genesis receipt view)
  file(READ ${page_dir}/${name}.js part)
  string(APPEND script "\n${part}")
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${page_dir}/${name}.js)
endforeach()
file(READ ${page_dir}/verify.css style)
file(READ ${page_dir}/verify.html html)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${page_dir}/verify.css ${page_dir}/verify.html)

policy_hash("${script}" script_hash)
policy_hash("${style}" style_hash)
set(policy "default-src 'none'; script-src ${script_hash}; style-src ${style_hash}; img-src data:; ")
string(APPEND policy "base-uri 'none'; form-action 'none'")
foreach(part policy style script)
  string(REPLACE "@${part}@" "${${part}}" html "${html}")
endforeach()

set(PAGE_HTML ${CMAKE_CURRENT_BINARY_DIR}/verify.html)
set(PAGE_C ${CMAKE_CURRENT_BINARY_DIR}/page_verify.c)
file(CONFIGURE OUTPUT ${PAGE_HTML} CONTENT "@html@" @ONLY)
file(READ ${PAGE_HTML} text HEX)
string(REGEX REPLACE "(..)" "0x\\1," text "${text}")
file(CONFIGURE OUTPUT ${PAGE_C} @ONLY CONTENT "#include \"page.h\"
const char page_policy[] = \"@policy@\";
const unsigned char page_verify[] = {@text@0};
const unsigned long page_verify_len = sizeof page_verify - 1;
")
