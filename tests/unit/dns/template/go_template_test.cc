#include "dns/template/go_template.h"

#include <gtest/gtest.h>

#include "dns/template/record_text.h"
#include "dns/wire/message_reader.h"

namespace clusterdns::dns {
namespace {

constexpr TemplateField kFields[] = {
    {"Name"},   {"Match"},  {"Group", TemplateField::Kind::Map},
    {"Meta"},   {"Number"}, {"Message", TemplateField::Kind::Struct, "Id Zero"},
    {"Nothing"}};

class TestData final : public TemplateData {
 public:
  [[nodiscard]] ExprValue field(std::string_view field) const override {
    if (field == "Name") return std::string("a.example.");
    if (field == "Number") return std::int64_t{10};
    if (field == "Nothing") return {};
    if (field == "Match") {
      return ExprValue(ExprValue::Array{std::string("whole"), std::string("part")});
    }
    return ExprValue(ExprValue::Map{{"b", std::string("7b")}, {"1", std::string("one")}});
  }
};

std::string filled(std::string_view text) {
  std::string error;
  const auto parsed = GoTemplate::parse(text, kFields, &error);
  if (!parsed) return "error: " + error;
  auto result = parsed->fill(TestData(), &error);
  return result ? *std::move(result) : "failed: " + error;
}

TEST(GoTemplateTest, WhatTheDocumentationUses) {
  EXPECT_EQ(filled("{{ .Name }} 60 IN A 10.{{.Group.b}}"), "a.example. 60 IN A 10.7b");
  EXPECT_EQ(filled("{{ index .Match 1 }}"), "part");
  EXPECT_EQ(filled("10.{{ parseInt .Group.b 16 8 }}"), "10.123");
  EXPECT_EQ(filled("{{ .Meta \"kubernetes/client-namespace\" }}x"), "x");
  EXPECT_EQ(filled("{{ .Group.none }}"), "<no value>");
  EXPECT_EQ(filled("{{ index .Group \"1\" }}"), "one");
}

TEST(GoTemplateTest, Actions) {
  EXPECT_EQ(filled("{{ if eq .Name \"a.example.\" }}yes{{ else }}no{{ end }}"), "yes");
  EXPECT_EQ(filled("{{if false}}1{{else if gt .Number 9}}2{{else}}3{{end}}"), "2");
  EXPECT_EQ(filled("{{ range .Match }}[{{ . }}{{ $.Number }}]{{ end }}"), "[whole10][part10]");
  EXPECT_EQ(filled("{{ with .Group.b }}{{ . }}{{ end }}{{ with \"\" }}x{{ else }}y{{ end }}"),
            "7by");
  EXPECT_EQ(filled("a {{- \" b \" -}} c"), "a b c");
  EXPECT_EQ(filled("{{ $x := len .Name }}{{ $x | printf \"%04x\" }}"), "000a");
  EXPECT_EQ(filled("{{ printf \"%d %v %q %%\" 5 true \"a\" }}{{/* nothing */}}"), "5 true \"a\" %");
  EXPECT_EQ(filled("{{ slice .Name 0 1 }}{{ (index .Match 0) }}{{ print 1 2 }}"), "awhole1 2");
  EXPECT_EQ(filled("{{ and true (or false .Name) }}{{ not true }}"), "a.example.false");
}

// What Go 1.26 makes of the same.
TEST(GoTemplateTest, VariablesAndLoops) {
  EXPECT_EQ(filled("{{range 3}}{{.}},{{end}}{{range $i := 2}}{{$i}},{{end}}"), "0,1,2,0,1,");
  EXPECT_EQ(filled("{{range 0}}x{{else}}y{{end}}{{range .Nothing}}x{{else}}z{{end}}"), "yz");
  EXPECT_EQ(filled("{{range $i, $e := .Match}}{{$i}}={{$e}},{{end}}"), "0=whole,1=part,");
  EXPECT_EQ(filled("{{range $e := .Match}}{{$e}}{{.}},{{end}}"), "wholewhole,partpart,");
  EXPECT_EQ(filled("{{range $k, $v := .Group}}{{$k}}:{{$v}};{{end}}"), "1:one;b:7b;");
  EXPECT_EQ(filled("{{with $x := .Name}}{{$x}}{{.}}{{end}}{{if $x := .Number}}{{$x}}{{end}}"),
            "a.example.a.example.10");
  EXPECT_EQ(filled("{{$x := 1}}{{if true}}{{$x = 2}}{{$x := 3}}{{$x}}{{end}}{{$x}}"), "32");
  EXPECT_EQ(filled("{{with \"\"}}a{{else with .Name}}{{.}}{{else}}c{{end}}"), "a.example.");
  EXPECT_EQ(
      filled(
          "{{range 5}}{{if eq . 1}}{{continue}}{{end}}{{if eq . 3}}{{break}}{{end}}{{.}}{{end}}"),
      "02");
  EXPECT_EQ(filled("{{range 2}}{{range 2}}{{if eq . 1}}{{break}}{{end}}{{.}}{{end}};{{end}}"),
            "0;0;");
  EXPECT_EQ(filled("{{range 100000}}{{end}}"), "failed: it takes too many steps");
}

TEST(GoTemplateTest, Printf) {
  EXPECT_EQ(filled(R"({{printf "%v %g %e %f %.2f" 1000000.0 0.00001 1234.5 1.5 1.239}})"),
            "1e+06 1e-05 1.234500e+03 1.500000 1.24");
  EXPECT_EQ(
      filled(
          R"({{printf "%8.3f|%-8d|%+d|%08.3f|% d|%x|%X|%#x" 3.14159 42 42 3.14159 7 255 255 255}})"),
      "   3.142|42      |+42|0003.142| 7|ff|FF|0xff");
  EXPECT_EQ(
      filled(
          R"({{printf "%c|%U|%q|%5s|%-5s|%.2s|%5.1f%%|%t|%o|%O|%b" 65 0x20AC "a\"b" "ab" "ab" "abc" 99.55 true 8 8 5}})"),
      "A|U+20AC|\"a\\\"b\"|   ab|ab   |ab| 99.5%|true|10|0o10|101");
  EXPECT_EQ(filled(R"({{printf "%G %E %F" 1e-7 12345.678 2.5}})"), "1E-07 1.234568E+04 2.500000");
  EXPECT_EQ(filled(R"({{printf "%v %v %v %v" 100000.0 123456.0 1234567.0 0.0001}})"),
            "100000 123456 1.234567e+06 0.0001");
  EXPECT_EQ(filled(R"({{printf "%x %X %q" "hello" "hi" 65}})"), "68656c6c6f 6869 'A'");
  EXPECT_EQ(filled(R"({{printf "%6.2d|%-6x|%06d|%+.1e" 5 255 -42 12345.6}})"),
            "    05|ff    |-00042|+1.2e+04");
  EXPECT_EQ(filled(R"({{printf "%5t|%s|%v|%d" true true .Match 3.5}})"),
            " true|%!s(bool=true)|[whole part]|%!d(float64=3.5)");
  EXPECT_EQ(filled(R"({{printf "%d %s %d" "hi" 5}})"), "%!d(string=hi) %!s(int=5) %!d(MISSING)");
  EXPECT_EQ(filled(R"({{printf "%d" 1 2 "x"}})"), "1%!(EXTRA int=2, string=x)");
  EXPECT_EQ(filled("{{1.5}} {{100000000.0}} {{print 1e6}}"), "1.5 1e+08 1e+06");
}

TEST(GoTemplateTest, WhatIsWrongIsSaid) {
  EXPECT_EQ(filled("{{ .Nam }}"), "error: there is no field .Nam (1:4)");
  EXPECT_EQ(filled("a\n {{ .Message.Answer }}"), "error: there is no field .Message.Answer (2:13)");
  EXPECT_EQ(filled("{{ .Name.x }}"), "error: there is no field .Name.x (1:9)");
  EXPECT_EQ(filled("{{ nothing }}"), "error: function \"nothing\" not defined (1:4)");
  EXPECT_EQ(filled("{{ .Name"), "error: unclosed action (1:1)");
  EXPECT_EQ(filled("{{ if true }}x"), "error: a {{end}} is missing (1:4)");
  EXPECT_EQ(filled("{{ end }}"), "error: unexpected {{end}} (1:4)");
  EXPECT_EQ(filled("{{ $y }}"), "error: undefined variable \"$y\" (1:4)");
  EXPECT_EQ(filled("{{ if $y := 1 }}{{ end }}{{ $y }}"), "error: undefined variable \"$y\" (1:29)");
  EXPECT_EQ(filled("{{ $y = 1 }}"), "error: undefined variable \"$y\" (1:4)");
  EXPECT_EQ(filled("{{ }}"), "error: missing value for command (1:1)");
  EXPECT_EQ(filled("{{ break }}"), "error: {{break}} outside of {{range}} (1:4)");
  for (const char* whole :
       {"{{ . }}", "{{ $ }}", "{{ printf \"%v\" . }}", "{{ range . }}{{ end }}"}) {
    EXPECT_NE(filled(whole).find("is all of the query here"), std::string::npos) << whole;
  }
  EXPECT_EQ(filled("{{ .Name | printf \"%T\" }}"),
            "error: printf of '%T' is not supported; write one of %vdxXoObcqUeEfFgGst% (1:12)");
  EXPECT_EQ(filled("{{ printf \"%*d\" 1 2 }}").substr(0, 27), "error: printf of '%*' is no");
  EXPECT_EQ(filled("x {{ index .Match 9 }}"),
            "failed: <index .Match 9> (1:6): the index 9 is beyond the end");
  EXPECT_EQ(filled("{{ print (parseInt \"zz\" 16 8) }}"),
            "failed: <parseInt \"zz\" 16 8> (1:11): zz is no such number");
  EXPECT_EQ(filled("{{ range $i, $e := 3 }}{{ end }}"),
            "failed: a number has one variable in range");
}

std::string record(std::string_view text) {
  const auto made = read_record_text(text);
  if (!made) return "none";
  return made->owner.to_text() + " " + std::to_string(made->ttl) + " " +
         rrtype_to_text(made->type) + " " + rdata_to_text(made->type, made->rdata);
}

TEST(GoTemplateTest, AndAndOrEndWhereTheyAreDecided) {
  EXPECT_EQ(
      filled("{{ if and (gt (len .Match) 2) (eq (index .Match 2) \"x\") }}a{{ else }}b{{ end }}"),
      "b");
  EXPECT_EQ(filled("{{ or .Name (index .Match 9) }}"), "a.example.");
  EXPECT_EQ(filled("{{ range $x := .Nothing }}a{{ else }}{{ $x }}{{ end }}"), "<no value>");
}

TEST(RecordTextTest, Records) {
  EXPECT_EQ(record("a.example. 60 IN A 192.0.2.1"), "a.example. 60 A 192.0.2.1");
  EXPECT_EQ(record("a IN 1h AAAA 2001:DB8::1 ; why"), "a. 3600 AAAA 2001:db8::1");
  EXPECT_EQ(record("a A 192.0.2.1"), "a. 3600 A 192.0.2.1");
  EXPECT_EQ(record("a 5 CNAME b"), "a. 5 CNAME b.");
  EXPECT_EQ(record("a 5 MX 10 b.test."), "a. 5 MX 10 b.test.");
  EXPECT_EQ(record("_x._tcp.a 5 IN SRV 1 2 53 b."), "_x._tcp.a. 5 SRV 1 2 53 b.");
  EXPECT_EQ(record("invalid. 60 CH SOA ns.invalid. hm.invalid. (1 60 60\n 60 60)"),
            "invalid. 60 SOA ns.invalid. hm.invalid. 1 60 60 60 60");
  EXPECT_EQ(record("a 5 TXT \"x; y\" z\\;"), "a. 5 TXT \"x; y\" \"z;\"");
  EXPECT_EQ(record("a 5 CAA 0 issue \"ca.test\""), "a. 5 CAA 0 issue \"ca.test\"");
  EXPECT_EQ(record("a 5 TYPE65280 \\# 2 abcd"), "a. 5 TYPE65280 \\# 2 ABCD");
  EXPECT_EQ(record(". 5 NS ."), ". 5 NS .");
  EXPECT_EQ(record("@ 5 CNAME @"), ". 5 CNAME .");
}

TEST(RecordTextTest, WhatIsNone) {
  for (const char* bad :
       {"", "a", "a 5 IN", "a 5 IN A", "a 5 IN A 1.2.3", "a 5 IN A 1.2.3.4 5",
        "a 5 IN AAAA 1.2.3.4", "a..b 5 A 1.2.3.4", "a 5 NOPE 1", "a 5 A <no value>", "a 5 TXT \"x",
        "a 5 MX 70000 b", "a 5 SOA a b (1 2 3 4 5", "a 5 A 1.2.3.4\nb 5 A 1.2.3.5", "a 5 CNAME",
        "a 5 TYPE65280 \\# 3 abcd", "a 5 OPT \\# 0"}) {
    EXPECT_EQ(record(bad), "none") << bad;
  }
}

}  // namespace
}  // namespace clusterdns::dns
