// A Corefile back to text.
#pragma once

#include <string>
#include <string_view>

#include "app/corefile/ast.h"

namespace clusterdns::app {

// The canonical text: one block after the other, four blanks a level, imports and environment
// references replaced by what they stood for, CIDR keys by their reverse zones, comments gone.
// Parsing it again gives the same blocks.
[[nodiscard]] std::string print_corefile(const Corefile& corefile);

// `text` as one word of a Corefile, in quotes if it needs them. The grammar has no way to write
// every text: can_be_written() says for which this gives the text back when parsed.
[[nodiscard]] std::string quote_word(std::string_view text);

// False for text with a backslash before a quote, or white space and a backslash at its end, or an
// environment reference, or a NUL.
[[nodiscard]] bool can_be_written(std::string_view text);

}  // namespace clusterdns::app
