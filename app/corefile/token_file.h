// The token of a console, as its file holds it: the server and whoever asks it read it alike.
#pragma once

#include <boost/system/result.hpp>
#include <filesystem>
#include <string>

namespace clusterdns::app {

// One line of characters that print; a byte order mark and ends of lines, as editors write them,
// are no part of it. The error is a sentence without the path. Any thread.
[[nodiscard]] boost::system::result<std::string, std::string> read_token_file(
    const std::filesystem::path& file);

}  // namespace clusterdns::app
