#include "app/lint/migrate.h"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include "app/corefile/error.h"
#include "app/corefile/lexer.h"
#include "app/corefile/limits.h"
#include "app/corefile/parser.h"
#include "app/corefile/problems.h"

namespace clusterdns::app {
namespace {

constexpr std::string_view kMark = "# migrate: ";

// One line and its block, as places among the words of the file.
struct Line {
  std::size_t first = 0, words = 0;  // the name and its arguments
  std::optional<std::size_t> open, close;
  std::vector<Line> block;
};

struct Block {
  Position at;
  bool snippet = false;
  std::vector<Line> lines;
};

// Octets [begin, end) of the text become `text`.
struct Edit {
  std::size_t begin = 0, end = 0;
  std::string text;
  bool behind = false;  // belongs to what stands before it: comes first at its place
};

class Migration {
 public:
  Migration(std::string_view text, const std::string& file_name)
      : text_(text), tokens_(lex(text, file_name)) {
    read_blocks();
    // With its imports: what stands in one of them need not be added.
    Problems ignored;
    ParseOptions options;
    options.elsewhere = true;
    parsed_ = parse_corefile(text, file_name, options, ignored);
  }

  MigratedCorefile run() {
    for (const Block& block : blocks_) {
      for (const Line& line : block.lines) directive(line);
    }
    if (!changes_.empty()) {
      for (const Block& block : blocks_) {
        if (!block.snippet) add_what_is_new(block);
      }
    }
    std::stable_sort(changes_.begin(), changes_.end(), [](const auto& a, const auto& b) {
      return std::pair(a.at.line, a.at.column) < std::pair(b.at.line, b.at.column);
    });
    return {edited(), std::move(changes_)};
  }

 private:
  // ---- what stands where ------------------------------------------------------------------------

  [[nodiscard]] bool at_end() const { return next_ == tokens_.size(); }
  [[nodiscard]] bool next_is(std::string_view word) const {
    return !at_end() && tokens_[next_].is(word);
  }
  [[nodiscard]] bool line_goes_on() const { return !at_end() && !tokens_[next_].first_on_line; }
  [[noreturn]] void fail_at(std::size_t token, const std::string& why) const {
    throw ConfigError(tokens_[token].token.at, why);
  }

  void read_blocks() {
    while (!at_end()) {
      Block block;
      block.at = tokens_[next_].token.at;
      const std::size_t first = next_;
      if (next_is("}")) fail_at(first, "this '}' has no matching '{'; remove it");
      const bool import = next_is("import");
      bool comma = false;
      do {
        if (next_is("{")) break;
        comma = tokens_[next_].token.text.ends_with(',');
        ++next_;
      } while (line_goes_on() || (comma && !at_end()));
      if (import) continue;
      block.snippet = tokens_[first].token.text.starts_with('(');
      if (next_is("{")) {
        const std::size_t open = next_++;
        read_lines(block.lines, &open, 0);
      } else {
        read_lines(block.lines, nullptr, 0);
      }
      blocks_.push_back(std::move(block));
    }
  }

  void read_lines(std::vector<Line>& lines, const std::size_t* open, std::size_t level) {
    if (level > kMaxBlockDepth) fail_at(*open, "blocks are nested too deep");
    for (;;) {
      if (at_end()) {
        if (open != nullptr) fail_at(*open, "this '{' is never closed; add the '}'");
        return;
      }
      if (next_is("}")) {
        if (open == nullptr) fail_at(next_, "this '}' has no matching '{'; remove it");
        ++next_;
        return;
      }
      Line line;
      line.first = next_++;
      while (line_goes_on() && !next_is("{") && !next_is("}")) ++next_;
      line.words = next_ - line.first;
      if (next_is("{")) {
        line.open = next_++;
        read_lines(line.block, &*line.open, level + 1);
        line.close = next_ - 1;
      }
      lines.push_back(std::move(line));
    }
  }

  [[nodiscard]] const std::string& name(const Line& line) const {
    return tokens_[line.first].token.text;
  }
  // "" when there is none.
  [[nodiscard]] std::string argument(const Line& line, std::size_t i) const {
    return i + 1 < line.words ? tokens_[line.first + 1 + i].token.text : std::string();
  }
  // As they are written.
  [[nodiscard]] std::string words(const Line& line, std::size_t from) const {
    if (from >= line.words) return {};
    return std::string(
        text_.substr(tokens_[line.first + from].begin,
                     tokens_[line.first + line.words - 1].end - tokens_[line.first + from].begin));
  }
  [[nodiscard]] const Position& at(const Line& line) const { return tokens_[line.first].token.at; }
  [[nodiscard]] std::size_t end_of(const Line& line) const {
    return tokens_[line.close.value_or(line.first + line.words - 1)].end;
  }

  [[nodiscard]] std::size_t line_start(std::size_t octet) const {
    const std::size_t feed = octet == 0 ? std::string_view::npos : text_.rfind('\n', octet - 1);
    return feed == std::string_view::npos ? 0 : feed + 1;
  }
  // Behind the line feed, or the end of the text.
  [[nodiscard]] std::size_t line_end(std::size_t octet) const {
    return std::min(text_.find('\n', octet), text_.size() - 1) + 1;
  }
  [[nodiscard]] std::string indent_of(std::size_t octet) const {
    const std::size_t start = line_start(octet);
    const std::size_t word = std::min(text_.find_first_not_of(" \t", start), octet);
    return std::string(text_.substr(start, word - start));
  }
  // Whether nothing but it stands on its lines, comments aside.
  [[nodiscard]] bool is_alone(const Line& line) const {
    const std::size_t start = line_start(tokens_[line.first].begin);
    const std::size_t end = line_end(end_of(line) - 1);
    const std::size_t last = line.close.value_or(line.first + line.words - 1);
    return (line.first == 0 || tokens_[line.first - 1].end <= start) &&
           (last + 1 == tokens_.size() || tokens_[last + 1].begin >= end);
  }

  // ---- changes ----------------------------------------------------------------------------------

  void note(const Line& line, const std::string& what) {
    changes_.push_back({at(line), what});
    const std::size_t begin = tokens_[line.first].begin;
    if (line_start(begin) + indent_of(begin).size() != begin) return;  // behind something else
    edits_.push_back({line_start(begin), line_start(begin),
                      indent_of(begin) + std::string(kMark) + what + "\n"});
  }

  void replace_words(const Line& line, std::size_t from, std::size_t count,
                     const std::string& with) {
    edits_.push_back(
        {tokens_[line.first + from].begin, tokens_[line.first + from + count - 1].end, with});
  }

  // Makes it a comment. Where it does not stand alone it goes away.
  void take_out(const Line& line, const std::string& why) {
    const std::size_t begin = tokens_[line.first].begin;
    changes_.push_back({at(line), "`" + name(line) + "` is taken out: " + why});
    if (!is_alone(line)) {
      edits_.push_back({begin, end_of(line), ""});
      return;
    }
    std::string comment =
        indent_of(begin) + std::string(kMark) + "`" + name(line) + "` is taken out: " + why + "\n";
    const std::size_t end = line_end(end_of(line) - 1);
    for (std::size_t start = line_start(begin); start < end;) {
      const std::size_t next = std::min(line_end(start), end);
      const std::string_view one = text_.substr(start, next - start);
      const std::size_t word = std::min(one.find_first_not_of(" \t"), one.size());
      comment += std::string(one.substr(0, word)) + "# " + std::string(one.substr(word));
      start = next;
    }
    edits_.push_back({line_start(begin), end, std::move(comment)});
  }

  void insert_behind(const Line& line, const std::string& text) {
    const std::size_t end = line_end(end_of(line) - 1);
    const bool ends_in_feed = end > 0 && text_[end - 1] == '\n';
    edits_.push_back({end, end, (ends_in_feed ? "" : "\n") + text, true});
  }

  // ---- directives -------------------------------------------------------------------------------

  void directive(const Line& line) {
    const std::string& what = name(line);
    if (what == "proxy") return proxy(line);
    if (what == "kubernetes") return kubernetes(line);
    if (what == "file" || what == "auto" || what == "secondary") return zone_files(line);
    if (what == "federation") {
      return take_out(line, "federation of clusters is no part of CoreDNS since 1.7");
    }
    if (what == "startup" || what == "shutdown") {
      return take_out(line,
                      "commands are run by whoever starts the server, such as an init container");
    }
    if (what == "reverse") {
      return take_out(line, "since CoreDNS 1.2 `template` makes such names; see its page");
    }
    if (what == "errors" && line.words == 2 && !line.open) {
      note(line, "errors go to standard output; a file is not named any more");
      return replace_words(line, 0, 2, "errors");
    }
    static constexpr std::string_view kHadUpstream[] = {"template", "etcd",    "dns64",
                                                        "hosts",    "route53", "azure"};
    if (std::find(std::begin(kHadUpstream), std::end(kHadUpstream), what) !=
        std::end(kHadUpstream)) {
      for (const Line& option : line.block) upstream(option);
    }
  }

  bool upstream(const Line& option) {
    if (name(option) != "upstream") return false;
    take_out(option, "aliases are followed without it, by the server itself");
    return true;
  }

  void proxy(const Line& line) {
    note(line, "`proxy` is `forward` since CoreDNS 1.5");
    replace_words(line, 0, 1, "forward");
    for (const Line& option : line.block) {
      const std::string& what = name(option);
      if (upstream(option)) continue;
      if (what == "policy") {
        const std::string policy = argument(option, 0);
        if (policy == "first") {
          note(option, "`first` is `sequential`");
          replace_words(option, 1, 1, "sequential");
        } else if (policy != "random" && policy != "round_robin" && policy != "sequential") {
          take_out(option, "`forward` has no such policy; it asks one at random");
        }
      } else if (what == "protocol") {
        if (argument(option, 0) == "dns" && argument(option, 1) == "force_tcp") {
          note(option, "`protocol dns force_tcp` is `force_tcp`");
          replace_words(option, 0, option.words, "force_tcp");
        } else if (argument(option, 0) == "dns") {
          take_out(option, "it is what `forward` speaks");
        } else {
          take_out(option,
                   "`forward` speaks DNS, or DNS over TLS to upstreams written tls://ADDRESS");
        }
      } else if (what == "fail_timeout" || what == "max_conns" || what == "spray" ||
                 what == "health_check") {
        take_out(option, "`forward` finds out itself which upstreams answer");
      }
    }
  }

  void kubernetes(const Line& line) {
    for (const Line& option : line.block) {
      const std::string& what = name(option);
      if (upstream(option)) continue;
      if (what == "resyncperiod") {
        take_out(option, "changes are watched; nothing is read again after a period");
      } else if (what == "endpoint" && option.words > 2) {
        note(option, "one API server is asked, the first; put a balancer before several");
        replace_words(option, 1, option.words - 1,
                      std::string(text_.substr(
                          tokens_[option.first + 1].begin,
                          tokens_[option.first + 1].end - tokens_[option.first + 1].begin)));
      } else if (what == "transfer") {
        take_out(option, "the cluster's zones are not transferred");
      }
    }
  }

  void zone_files(const Line& line) {
    std::vector<std::string> to;  // "to ADDRESS…"
    for (const Line& option : line.block) {
      const std::string& what = name(option);
      if (upstream(option)) continue;
      if (what == "no_reload") {
        note(option, "`no_reload` is `reload 0`");
        replace_words(option, 0, option.words, "reload 0");
      } else if (what == "transfer" && argument(option, 0) == "to") {
        to.push_back(words(option, 1));
        take_out(option, "`transfer` is a directive since CoreDNS 1.8; it is below");
      } else if (what == "directory" && name(line) == "auto" && option.words > 4) {
        note(option, "the period is `reload`");
        const std::string period = argument(option, 3);
        const bool bare = period.find_first_not_of("0123456789") == std::string::npos;
        replace_words(option, 4, option.words - 4, "");
        insert_behind(option, indent_of(tokens_[option.first].begin) + "reload " + period +
                                  (bare ? "s" : "") + "\n");
      }
    }
    if (to.empty()) return;
    // Its zones are those of the directive; none are the block's.
    const std::size_t skip = name(line) == "file" ? 2 : 1;
    const std::string zones = words(line, skip);
    const std::string indent = indent_of(tokens_[line.first].begin);
    const std::string deeper =
        line.block.empty() ? indent + "    " : indent_of(tokens_[line.block[0].first].begin);
    std::string lines;
    for (const std::string& one : to) lines += deeper + one + "\n";
    insert_behind(line, indent + "transfer" + (zones.empty() ? "" : " " + zones) + " {\n" + lines +
                            indent + "}\n");
  }

  // ---- what is new ------------------------------------------------------------------------------

  [[nodiscard]] bool anywhere(std::string_view directive) const {
    return std::any_of(parsed_.blocks.begin(), parsed_.blocks.end(),
                       [&](const ServerBlock& block) { return has(block, directive); });
  }
  [[nodiscard]] static bool has(const ServerBlock& block, std::string_view directive) {
    return std::any_of(block.directives.begin(), block.directives.end(),
                       [&](const Directive& d) { return d.name.text == directive; });
  }

  void add_what_is_new(const Block& block) {
    const auto whole = std::find_if(parsed_.blocks.begin(), parsed_.blocks.end(),
                                    [&](const ServerBlock& each) { return each.at == block.at; });
    if (whole == parsed_.blocks.end() || block.lines.empty()) return;
    if (has(*whole, "kubernetes") && !anywhere("ready")) {
      add(block, "health", "ready",
          "`ready` serves :8181/ready, which pods are probed at since Kubernetes 1.16");
    }
    if ((has(*whole, "forward") || has(*whole, "proxy")) && !has(*whole, "loop")) {
      add(block, "cache", "loop", "`loop` looks for upstreams that lead back here");
    }
  }

  void add(const Block& block, std::string_view behind, const std::string& directive,
           const std::string& why) {
    const Line* place = &block.lines.front();
    for (const Line& line : block.lines) {
      if (name(line) == behind) place = &line;
    }
    changes_.push_back({block.at, why});
    const std::string indent = indent_of(tokens_[place->first].begin);
    insert_behind(*place, indent + std::string(kMark) + why + "\n" + indent + directive + "\n");
  }

  // ---- the text ---------------------------------------------------------------------------------

  [[nodiscard]] std::string edited() {
    std::stable_sort(edits_.begin(), edits_.end(), [](const Edit& a, const Edit& b) {
      return std::tuple(a.begin, a.end, !a.behind) < std::tuple(b.begin, b.end, !b.behind);
    });
    std::string result;
    std::size_t done = 0;
    for (const Edit& edit : edits_) {
      if (edit.begin < done) continue;  // inside of something that is taken out
      result += text_.substr(done, edit.begin - done);
      result += edit.text;
      done = edit.end;
    }
    return result + std::string(text_.substr(done));
  }

  const std::string_view text_;
  const std::vector<LexedToken> tokens_;
  std::size_t next_ = 0;
  std::vector<Block> blocks_;
  Corefile parsed_;
  std::vector<Edit> edits_;
  std::vector<MigrationChange> changes_;
};

}  // namespace

MigratedCorefile migrate_corefile(std::string_view text, const std::string& file_name) {
  if (text.empty()) return {};
  return Migration(text, file_name).run();
}

}  // namespace clusterdns::app
