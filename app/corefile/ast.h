// What a Corefile says, before any directive gives it a meaning.
//
// Plain values: copy them, keep them, read them from any thread. Every node knows where it was
// written, so that whoever finds fault with it later can name the place.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace clusterdns::app {

// Lines and columns count from 1; a column is a character (a UTF-8 code point), a tab is one.
// Line 0 stands for the file as a whole.
struct Position {
  std::string file{};
  int line = 0;
  int column = 0;
  // What stands there, for whoever reads a message about it: "forward", "forward: max_fails". The
  // parser gives it to every word of a directive; empty outside of them.
  std::string subject{};

  // The same place.
  friend bool operator==(const Position& a, const Position& b) {
    return a.line == b.line && a.column == b.column && a.file == b.file;
  }
};

// "file:line:column", or "file" alone when there is no line.
[[nodiscard]] std::string to_string(const Position& position);

// One word. Environment variables are already replaced in `text`.
struct Token {
  std::string text;
  Position at;
  // The word is data, never a brace or `import`: it was written in double quotes, or the
  // environment gave it.
  bool quoted = false;
};

// One line and, if it opens one, the block under it: `name args… { lines… }`. The same shape holds
// for a directive of a server block and for a property inside a directive's block.
struct Directive {
  Token name;
  std::vector<Token> args;
  std::vector<Directive> block;
  bool has_block = false;  // `{ }` was written, even if nothing stands in it
};

// Whether they are the same words, wherever these stand.
[[nodiscard]] bool says_the_same(const Directive& a, const Directive& b);

// What one server block answers for: scheme, zone and port.
struct ZoneKey {
  // dns, tls, https, https3, grpc or quic.
  std::string scheme = "dns";
  // Lower-case presentation form with its trailing dot; "." is the root.
  std::string zone;
  // As written; effective_port() adds the default.
  std::optional<std::uint16_t> port;
  Position at;
};

struct ServerBlock {
  std::vector<ZoneKey> keys;  // never empty; one CIDR may have become several
  std::vector<Directive> directives;
  Position at;
};

// Something odd that does not stop the server.
struct Warning {
  Position at;
  std::string message;
};

// "file:line:column: subject: message"
[[nodiscard]] std::string to_string(const Warning& warning);

struct Corefile {
  std::vector<ServerBlock> blocks;  // in the order written, imports in their place
  // Every file that was read, the Corefile itself first, each once: what a reload compares.
  std::vector<std::string> files;
  // Patterns of `import` with a wildcard, joined to their folder: a file that matches one later
  // changes the configuration too.
  std::vector<std::string> import_patterns;
  std::vector<Warning> warnings;
  // False when errors leave it open where blocks end: what its directives say is not to be judged.
  bool whole = true;
};

}  // namespace clusterdns::app
