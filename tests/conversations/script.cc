#include "tests/conversations/script.h"

#include <algorithm>
#include <array>
#include <cstdlib>

namespace clusterdns::conversation {
namespace {

constexpr std::array<std::string_view, 9> kStepWords{
    "client", "upstream", "some", "that", "time", "nothing", "metric", "repeat", "end"};
// More is not a conversation.
constexpr long kMostRepeats = 100'000;

struct Line {
  int number;
  std::string text;  // without blanks at its ends
};

std::string_view trimmed(std::string_view text) {
  const std::size_t from = text.find_first_not_of(" \t");
  if (from == std::string_view::npos) return {};
  return text.substr(from, text.find_last_not_of(" \t\r") + 1 - from);
}

// At blanks; what stands in quotes is one word, quotes included.
std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  std::string word;
  bool quoted = false;
  for (const char c : text) {
    if (c == '"') quoted = !quoted;
    if (!quoted && (c == ' ' || c == '\t')) {
      if (!word.empty()) words.push_back(std::move(word));
      word.clear();
    } else {
      word += c;
    }
  }
  if (!word.empty()) words.push_back(std::move(word));
  return words;
}

std::string replaced(std::string text, const std::string& what, const std::string& by) {
  for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += by.size()) {
    text.replace(at, what.size(), by);
  }
  return text;
}

class Reader {
 public:
  Reader(const std::string& file, std::string_view text) : text_(text) { script_.file = file; }

  Script read() {
    split();
    std::size_t at = 0;
    while (at < lines_.size()) at = add(at, lines_.size(), {}, {});
    if (script_.corefile.empty()) fail(1, "there is no section 'Corefile:'");
    return std::move(script_);
  }

 private:
  [[noreturn]] void fail(int line, const std::string& what) const {
    throw Failure(script_.file, line, what);
  }

  // Into sections and lines of steps.
  void split() {
    std::string* section = nullptr;
    int number = 0;
    for (std::size_t at = 0; at < text_.size();) {
      const std::size_t end = std::min(text_.find('\n', at), text_.size());
      const std::string_view whole = text_.substr(at, end - at);
      at = end + 1;
      ++number;
      const std::string_view text = trimmed(whole);
      const bool indented = !whole.empty() && (whole.front() == ' ' || whole.front() == '\t');
      if (number == 1 && (!text.starts_with("# ") || text.find(": ") == std::string_view::npos)) {
        fail(1, "the first line names the source and the rule: # SOURCE: RULE");
      }
      if (section != nullptr && (indented || text.empty())) {
        // YAML wants `---` in the first column.
        *section += std::string(whole.substr(whole.starts_with("  ") ? 2 : 0)) + "\n";
        continue;
      }
      section = text == "Corefile:"    ? &script_.corefile
                : text == "Hosts:"     ? &script_.hosts
                : text == "Manifests:" ? &script_.manifests
                                       : nullptr;
      if (section != nullptr) {
        section->assign(static_cast<std::size_t>(number), '\n');
        continue;
      }
      if (!text.empty() && text.front() != '#') lines_.push_back({number, std::string(text)});
    }
    script_.last_line = number;
  }

  // One step, or a repetition, whose number stands for `{variable}`; returns what comes next.
  std::size_t add(std::size_t at, std::size_t end, const std::string& variable,
                  const std::string& value) {
    const auto with_value = [&](const std::string& text) {
      return variable.empty() ? text : replaced(text, "{" + variable + "}", value);
    };
    Step step;
    step.line = lines_[at].number;
    step.text = with_value(lines_[at].text);
    ++at;
    const std::size_t colon = step.text.find(": ");
    step.words = words_of(step.text.substr(0, colon));
    if (colon != std::string::npos) step.records.push_back(words_of(step.text.substr(colon + 2)));
    if (!is_step(step.words.front())) {
      fail(step.line, "'" + step.words.front() + "' begins no step, and no step is before it");
    }
    if (step.words.front() == "repeat") return repeat(step, at, end, variable);
    if (step.words.front() == "end") fail(step.line, "'end' without 'repeat'");
    for (; at < end; ++at) {
      auto words = words_of(with_value(lines_[at].text));
      if (is_step(words.front())) break;
      step.records.push_back(std::move(words));
    }
    script_.steps.push_back(std::move(step));
    return at;
  }

  // repeat NAME FROM TO … end
  std::size_t repeat(const Step& step, std::size_t first, std::size_t end,
                     const std::string& outer) {
    if (!outer.empty()) fail(step.line, "a repetition within another one");
    std::size_t last = first;
    while (last < end && words_of(lines_[last].text).front() != "end") ++last;
    if (last == end) fail(step.line, "'repeat' without 'end'");
    if (step.words.size() != 4) fail(step.line, "write: repeat NAME FROM TO");
    const long from = std::strtol(step.words[2].c_str(), nullptr, 10);
    const long to = std::strtol(step.words[3].c_str(), nullptr, 10);
    if (to < from || to - from >= kMostRepeats) fail(step.line, "repeats too often, or never");
    for (long i = from; i <= to; ++i) {
      for (std::size_t at = first; at < last;) at = add(at, last, step.words[1], std::to_string(i));
    }
    return last + 1;
  }

  static bool is_step(std::string_view word) {
    return std::find(kStepWords.begin(), kStepWords.end(), word) != kStepWords.end();
  }

  std::string_view text_;
  std::vector<Line> lines_;
  Script script_;
};

}  // namespace

Failure::Failure(const std::string& file, int line, const std::string& what)
    : std::runtime_error(file + ":" + std::to_string(line) + ": " + what) {}

Script read_script(const std::string& file, std::string_view text) {
  return Reader(file, text).read();
}

}  // namespace clusterdns::conversation
