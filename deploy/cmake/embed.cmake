# Writes OUTPUT, a source with the files of FOLDER in it: see app/console/page_files.h.
#   cmake -DFOLDER=… -DOUTPUT=… -P embed.cmake
file(GLOB files ${FOLDER}/*)
list(SORT files)
set(arrays "")
set(entries "")
set(count 0)
foreach(file ${files})
  get_filename_component(name ${file} NAME)
  file(READ ${file} octets HEX)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "\\\\x\\1" octets "${octets}")
  # Lines of a length that compilers and readers can take.
  string(REGEX REPLACE "((\\\\x[0-9a-f][0-9a-f])(\\\\x[0-9a-f][0-9a-f])?(\\\\x[0-9a-f][0-9a-f])?(\\\\x[0-9a-f][0-9a-f])?(\\\\x[0-9a-f][0-9a-f])?(\\\\x[0-9a-f][0-9a-f])?(\\\\x[0-9a-f][0-9a-f])?(\\\\x[0-9a-f][0-9a-f])?)"
    "\n    \"\\1\"" octets "${octets}")
  string(APPEND arrays "constexpr char kFile${count}[] =${octets}\n    \"\";\n")
  string(APPEND entries "    {\"${name}\", {kFile${count}, sizeof kFile${count} - 1}},\n")
  math(EXPR count "${count} + 1")
endforeach()
if(count EQUAL 0)
  set(body "std::span<const PageFile> page_files() { return {}; }\n")
else()
  set(body "namespace {\n\n${arrays}\nconstexpr PageFile kFiles[] = {\n${entries}};\n\n}  // namespace\n\nstd::span<const PageFile> page_files() { return kFiles; }\n")
endif()
file(WRITE ${OUTPUT} "// Made by deploy/cmake/embed.cmake.\n#include \"app/console/page_files.h\"\n\nnamespace clusterdns::app {\n\n${body}\n}  // namespace clusterdns::app\n")
