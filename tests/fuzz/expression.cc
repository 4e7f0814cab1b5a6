// Expressions of `view`, Go templates and the records they make: whatever their text says, parsing
// and evaluation end, in bounded time and memory.
#include <cstdlib>
#include <string>
#include <string_view>

#include "dns/expr/expr.h"
#include "dns/template/go_template.h"
#include "dns/template/record_text.h"
#include "tests/fuzz/fuzz_target.h"

namespace clusterdns::fuzz {

std::vector<Octets> generated_seeds() {
  std::vector<Octets> seeds;
  for (const std::string_view text : {
           "(type() == 'A' && name() == 'example.com.') || incidr(client_ip(), '10.0.0.0/8')",
           "any(['10.0.0.0/8', '172.16.0.0/12'], incidr(ip, #)) ? {a: 1.5}.a : [1, 2][-1:]",
           "let x = split(name(), '.') | filter(len(#) > 0b1); x[0] matches '^[a-z]+$' ?? nil",
           "map(1..9, # ** 2) | sort('desc') | sum() not in [0x1f, 1_0, -2 % 3]",
           "{{ if eq .Name \"a.\" }}{{ .Group.b }}{{ else }}{{ index .Match 1 | printf \"%02x\" "
           "}}{{ end }}",
           "{{ $x := len .Match }}{{ range .Match }}{{ . }}{{ $x }}{{ end }}{{- parseInt \"ff\" 16 "
           "8 -}}",
           "a.example. 60 IN SOA ns.a. hm.a. (1 60 60 60 60) ; x",
           "a 1h TXT \"a b\" \\065 c;",
           "a 5 TYPE65280 \\# 2 abcd",
       }) {
    seeds.emplace_back(text.begin(), text.end());
  }
  return seeds;
}

namespace {

class Scope final : public dns::ExprScope {
 public:
  [[nodiscard]] std::optional<dns::ExprValue> call(std::size_t function,
                                                   std::span<const dns::ExprValue>) const override {
    if (function == 0) return dns::ExprValue(std::string("a.example."));
    return dns::ExprValue(true);
  }
  [[nodiscard]] dns::ExprValue variable(std::size_t) const override {
    return std::string("10.0.0.1");
  }
};

class Data final : public dns::TemplateData {
 public:
  [[nodiscard]] dns::ExprValue field(std::string_view field) const override {
    if (field == "Match")
      return dns::ExprValue(dns::ExprValue::Array{std::string("a"), std::string("7b")});
    if (field == "Group") return dns::ExprValue(dns::ExprValue::Map{{"b", std::string("7b")}});
    return std::string("a.");
  }
};

}  // namespace
}  // namespace clusterdns::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace clusterdns;  // NOLINT
  constexpr dns::ExprNames::Function kFunctions[] = {
      {"name", 0, 0}, {"type", 0, 0}, {"client_ip", 0, 0}, {"incidr", 2, 2}};
  static const std::vector<std::string> kVariables{"ip"};
  constexpr dns::TemplateField kFields[] = {
      {"Name"}, {"Match"}, {"Group", dns::TemplateField::Kind::Map}};
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  std::string error;
  if (const auto expr = dns::Expr::parse(text, {kFunctions, kVariables}, &error)) {
    const auto value = expr->evaluate(fuzz::Scope());
    if (value && value->to_text().size() > 64 * dns::Expr::kMaxMade) std::abort();
  } else if (error.empty()) {
    std::abort();
  }
  std::string record(text);
  if (const auto made = dns::GoTemplate::parse(text, kFields, &error)) {
    if (const auto filled = made->fill(fuzz::Data())) {
      if (filled->size() > dns::GoTemplate::kMaxOutput) std::abort();
      record = *filled;
    }
  }
  (void)dns::read_record_text(record);
  return 0;
}
