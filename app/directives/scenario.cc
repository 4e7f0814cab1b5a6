#include "app/directives/scenario.h"

#include <algorithm>
#include <charconv>
#include <set>
#include <utility>

#include <yaml-cpp/yaml.h>

#include "app/corefile/arguments.h"
#include "app/directives/fault_rule.h"
#include "registry/json_text.h"
#include "registry/manifests/json_documents.h"

namespace clusterdns::app {
namespace {

constexpr std::string_view kKeys[] = {"seed", "rules", "timeline", "for", "expect"};

class Reader {
 public:
  Reader(const std::string& file, Problems& problems) : file_(file), problems_(problems) {}

  Scenario read(std::string text) {
    Scenario scenario;
    if (registry::find_json(text)) registry::write_surrogates_as_yaml(text);
    try {
      const YAML::Node root = YAML::Load(text);
      problems_.attempt([&] { read_root(root, scenario); });
    } catch (const YAML::Exception& e) {
      const bool alias =
          e.msg.find("anchor") != std::string::npos || e.msg.find("alias") != std::string::npos;
      problems_.error(at(e.mark), alias ? "an unquoted * is a YAML alias; write the pattern in "
                                          "quotes, such as \"*.example\""
                                        : "is not YAML: " + e.msg);
    }
    scenario.rules =
        std::make_shared<const std::vector<std::unique_ptr<dns::FaultRule>>>(std::move(rules_));
    return scenario;
  }

 private:
  [[nodiscard]] Position at(const YAML::Mark& mark) const {
    if (mark.is_null()) return {file_, 1, 1};
    return {file_, mark.line + 1, mark.column + 1};
  }

  [[nodiscard]] Token token(const YAML::Node& node) const {
    if (!node.IsScalar()) fail(at(node.Mark()), "has to be a word or a number");
    return {node.Scalar(), at(node.Mark()), true};
  }

  // The words of "outage 5s", each at its place.
  [[nodiscard]] std::vector<Token> words(const YAML::Node& node) const {
    if (node.IsSequence()) {
      std::vector<Token> all;
      for (const YAML::Node& each : node) all.push_back(token(each));
      return all;
    }
    return split(token(node));
  }

  [[nodiscard]] static std::vector<Token> split(const Token& whole) {
    std::vector<Token> all;
    std::size_t begin = 0;
    while ((begin = whole.text.find_first_not_of(" \t\n", begin)) != std::string::npos) {
      const std::size_t end = std::min(whole.text.find_first_of(" \t\n", begin), whole.text.size());
      Position place = whole.at;
      place.column += static_cast<int>(begin);
      all.push_back({whole.text.substr(begin, end - begin), place, true});
      begin = end;
    }
    return all;
  }

  void require_map(const YAML::Node& node, std::string_view what) const {
    if (!node.IsMap()) fail(at(node.Mark()), "has to be " + std::string(what));
  }

  template <class Read>
  void each_of(const YAML::Node& list, std::string_view name, Read read) {
    const std::string what = in_quotes(name);
    if (!list.IsSequence()) fail(at(list.Mark()), what + " has to be a list");
    if (list.size() > kMaxFaultRules) {
      fail(at(list.Mark()), what + " has more than " + std::to_string(kMaxFaultRules) + " entries");
    }
    for (const YAML::Node& each : list) problems_.attempt([&] { read(each); });
  }

  void read_root(const YAML::Node& root, Scenario& scenario) {
    require_map(root, "a map with rules, timeline, for, expect and seed");
    for (const auto& member : root) {
      const Token key = token(member.first);
      problems_.attempt([&] {
        if (std::find(std::begin(kKeys), std::end(kKeys), key.text) == std::end(kKeys)) {
          fail(key, "is no part of a scenario; write seed, rules, timeline, for or expect");
        }
      });
    }
    if (root["seed"]) problems_.attempt([&] { scenario.seed = parse_seed(token(root["seed"])); });
    if (root["rules"])
      each_of(root["rules"], "rules", [&](const YAML::Node& each) { read_rule(each); });
    if (root["timeline"]) {
      each_of(root["timeline"], "timeline", [&](const YAML::Node& each) { read_entry(each); });
      if (last_ != 0) scenario.length = std::chrono::nanoseconds(last_);
    }
    if (root["for"]) {
      scenario.length =
          parse_duration(token(root["for"]), BareDuration::Refused, std::chrono::nanoseconds(1));
    }
    if (root["expect"]) {
      each_of(root["expect"], "expect", [&](const YAML::Node& each) {
        scenario.expect.push_back(read_expectation(token(each)));
      });
    }
  }

  // The line of a Corefile that says the same; nullopt: it says nothing.
  [[nodiscard]] std::optional<Directive> line_of(const Token& key, const YAML::Node& value) const {
    Directive line;
    line.name = key;
    if (key.text == "continue") {
      const Token on = token(value);
      if (on.text == "false") return std::nullopt;
      if (on.text != "true") fail(on, "is neither true nor false");
      return line;
    }
    line.args = words(value);
    return line;
  }

  void add(std::unique_ptr<dns::FaultRule> rule, const Position& place) {
    if (!names_.insert(rule->name).second) {
      fail(place, in_quotes(rule->name) + " is the name of another rule; give it one of its own");
    }
    rules_.push_back(std::move(rule));
  }

  void read_rule(const YAML::Node& node) {
    require_map(node, "a rule such as {rule: NAME, do: servfail}");
    Directive rule;
    rule.name = {"rule", at(node.Mark()), true};
    for (const auto& member : node) {
      const Token key = token(member.first);
      if (key.text == "rule") {
        rule.args = {token(member.second)};
      } else if (auto line = line_of(key, member.second)) {
        rule.block.push_back(std::move(*line));
      }
    }
    if (rule.args.empty()) fail(at(node.Mark()), "has no name; add `rule: NAME`");
    add(read_fault_rule(rule, problems_), rule.args[0].at);
  }

  static std::int64_t time_of(const Token& word, std::int64_t least = 1) {
    return parse_duration(word, BareDuration::Refused, std::chrono::nanoseconds(least)).count();
  }

  static void require_word(const std::vector<Token>& words, std::size_t i, std::string_view word) {
    if (words[i].text != word) fail(words[i], "is not " + in_quotes(word));
  }

  // `at 10s: outage 5s`
  void read_entry(const YAML::Node& node) {
    require_map(node, "an entry such as {at 10s: outage 5s}");
    Directive rule;
    rule.name = {"timeline", at(node.Mark()), true};
    std::optional<dns::Schedule> schedule;
    for (const auto& member : node) {
      const Token key = token(member.first);
      const std::vector<Token> when = split(key);
      if (when.size() == 2 && when[0].text == "at") {
        if (schedule) fail(key, "is the second time of this entry");
        const Token what = token(member.second);
        schedule = schedule_of(time_of(when[1], 0), what);
        rule.args = {{key.text + ": " + what.text, key.at, true}};
      } else if (key.text == "do" || key.text == "continue") {
        fail(key, "has no place in a timeline, whose entries drop answers; write a rule");
      } else if (auto line = line_of(key, member.second)) {
        rule.block.push_back(std::move(*line));
      }
    }
    if (!schedule) fail(at(node.Mark()), "says no time; begin it with `at 10s: outage 5s`");
    Directive drop;
    drop.name = {"do", rule.args[0].at, true};
    drop.args = {{"drop", rule.args[0].at, true}};
    rule.block.push_back(drop);
    auto made = read_fault_rule(rule, problems_);
    made->schedule = schedule;
    last_ = std::max(last_, schedule->end);
    add(std::move(made), rule.args[0].at);
  }

  dns::Schedule schedule_of(std::int64_t begin, const Token& what) const {
    const std::vector<Token> words = split(what);
    dns::Schedule schedule;
    schedule.begin = begin;
    if (words.size() == 2 && words[0].text == "outage") {
      schedule.end = begin + time_of(words[1]);
      return schedule;
    }
    if (words.size() == 4 && words[0].text == "flap") {
      const std::size_t slash = words[1].text.find('/');
      if (slash == std::string::npos) fail(words[1], "is not DOWN/UP, such as 1s/1s");
      Token up = words[1];
      up.text.erase(0, slash + 1);
      up.at.column += static_cast<int>(slash) + 1;
      schedule.down = time_of({words[1].text.substr(0, slash), words[1].at, true});
      schedule.up = time_of(up);
      require_word(words, 2, "for");
      schedule.end = begin + time_of(words[3]);
      return schedule;
    }
    // ramp loss 0-20 % in 60s
    const bool apart = words.size() == 6 && words[3].text == "%";
    if (words.size() >= 2 && words[0].text == "ramp" && words[1].text == "loss" &&
        (apart || (words.size() == 5 && words[2].text.ends_with('%')))) {
      std::string range = words[2].text;
      if (!apart) range.pop_back();
      const std::size_t dash = range.find('-');
      if (dash == std::string::npos) fail(words[2], "is not FROM-TO, such as 0-20");
      schedule.from = percent({range.substr(0, dash), words[2].at, true}) / 100;
      schedule.to = percent({range.substr(dash + 1), words[2].at, true}) / 100;
      require_word(words, apart ? 4 : 3, "in");
      schedule.end = begin + time_of(words.back());
      return schedule;
    }
    fail(what,
         "is no entry of a timeline; write `outage 5s`, `flap 1s/1s for 10s` or "
         "`ramp loss 0-20 % in 60s`");
  }

  static double percent(const Token& token) {
    double value = 0;
    const char* const end = token.text.data() + token.text.size();
    const auto [at, error] = std::from_chars(token.text.data(), end, value);
    if (token.text.empty() || error != std::errc() || at != end || !(value >= 0 && value <= 100)) {
      fail(token, "is not a number from 0 to 100");
    }
    return value;
  }

  // client answers within 6s in 99 %
  static Expectation read_expectation(const Token& whole) {
    std::vector<Token> words = split(whole);
    if (words.size() == 6 && words[5].text.ends_with('%') && words[5].text.size() > 1) {
      words[5].text.pop_back();
      words.push_back({"%", words[5].at, true});
    }
    if (words.size() != 7 || words[0].text != "client" || words[1].text != "answers" ||
        words[2].text != "within" || words[4].text != "in" || words[6].text != "%") {
      fail(whole, "is not an expectation; write `client answers within 6s in 99 %`");
    }
    return {whole.text, std::chrono::nanoseconds(time_of(words[3])), percent(words[5])};
  }

  const std::string& file_;
  Problems& problems_;
  std::vector<std::unique_ptr<dns::FaultRule>> rules_;
  std::set<std::string> names_;
  std::int64_t last_ = 0;
};

}  // namespace

Scenario read_scenario(const std::string& file, std::string text, Problems& problems) {
  return Reader(file, problems).read(std::move(text));
}

}  // namespace clusterdns::app
