#include "tests/conversations/self_check.h"

#include <iostream>
#include <string>

#include "tests/conversations/play.h"
#include "tests/conversations/script.h"

namespace clusterdns::conversation {
namespace {

struct Case {
  const char* name;
  std::string steps;     // from line 5 on
  std::string expected;  // within the failure; empty: there is none
};

constexpr const char* kHead =
    "# RFC 0: a rule\nCorefile:\n  . {\n    forward . {$U}\n    prometheus\n  }\n";
constexpr const char* kAsked = "client A asks a.example\nupstream U gets a.example\n";

const Case kCases[] = {
    {"good",
     std::string(kAsked) + "upstream U answers NOERROR: a.example 60 A 10.0.0.1\n"
                           "client A gets NOERROR: a.example 60 A 10.0.0.1\n",
     ""},
    {"another record",
     std::string(kAsked) + "upstream U answers NOERROR: a.example 60 A 10.0.0.1\n"
                           "client A gets NOERROR: a.example 60 A 10.0.0.2\n",
     "x.txt:10: expected NOERROR\n    a.example. 60 A 10.0.0.2\n"
     "  came NOERROR\n    a.example. 60 A 10.0.0.1\n"},
    {"another TTL",
     std::string(kAsked) + "upstream U answers NOERROR: a.example 60 A 10.0.0.1\n"
                           "client A gets NOERROR: a.example 61 A 10.0.0.1\n",
     "x.txt:10: "},
    {"another rcode", std::string(kAsked) + "upstream U answers NXDOMAIN\nclient A gets NOERROR\n",
     "came NXDOMAIN"},
    {"a flag too few",
     std::string(kAsked) + "upstream U answers NXDOMAIN AA\nclient A gets NXDOMAIN\n",
     "came NXDOMAIN AA"},
    {"no answer", std::string(kAsked) + "client A gets NOERROR\n",
     "x.txt:9: expected NOERROR\n  came no answer"},
    {"an answer for nothing",
     std::string(kAsked) + "upstream U answers NXDOMAIN\nclient A gets nothing\n",
     "x.txt:10: expected no answer"},
    {"another name is sent", "client A asks a.example\nupstream U gets b.example\n",
     "x.txt:8: expected U to get b.example. A\n  came to U: a.example. A"},
    {"other flags are sent", "client A asks a.example CD\nupstream U gets a.example\n",
     "came to U: a.example. A CD"},
    {"something is sent", "client A asks a.example\nnothing is sent\n",
     "x.txt:8: expected nothing"},
    {"a request is left", "client A asks a.example\nclient A gets nothing\n",
     "these requests were not expected: to U: a.example. A"},
    {"an answer is left", std::string(kAsked) + "upstream U answers NXDOMAIN\n",
     "has an answer about a.example. that was not expected: NXDOMAIN"},
    {"somebody waits", kAsked, "client A still waits for an answer about a.example."},
    {"another number", "metric coredns_forward_requests_total{to=\"192.0.2.1:53\"} is 1\n",
     "x.txt:7: expected coredns_forward_requests_total"},
    {"an unknown step", "client A sleeps\n", "x.txt:7: there is no 'gets'"},
    {"an unknown word", "client A asks a.example loudly\n", "'loudly' is not known here"},
    {"no end", "repeat I 1 2\nclient A asks a.example\n", "'repeat' without 'end'"},
    {"a repetition",
     "repeat I 1 3\nclient A asks a{I}.example\nupstream U gets a{I}.example\n"
     "upstream U answers NXDOMAIN\nclient A gets NXDOMAIN\nend\n",
     ""},
};

// What it comes to; empty: it is good.
std::string outcome_of(const std::string& text) {
  try {
    play(read_script("x.txt", text));
  } catch (const Failure& e) {
    return e.what();
  }
  return {};
}

}  // namespace

bool self_check() {
  bool good = true;
  const auto check = [&good](const char* name, const std::string& text,
                             const std::string& expected) {
    const std::string came = outcome_of(text);
    if (expected.empty() ? came.empty() : came.find(expected) != std::string::npos) return;
    std::cerr << name << ": expected " << (expected.empty() ? "no failure" : expected)
              << "\n  came " << came << "\n";
    good = false;
  };
  for (const Case& c : kCases) check(c.name, kHead + c.steps, c.expected);
  check("no source", "Corefile:\n  . {\n  }\n", "x.txt:1: the first line names the source");
  check("no Corefile", "# RFC 0: a rule\nnothing is sent\n", "there is no section 'Corefile:'");
  check("a bad Corefile", "# RFC 0: a rule\nCorefile:\n  . {\n    forwards . 192.0.2.1\n  }\n",
        "x.txt:4: ");
  return good;
}

}  // namespace clusterdns::conversation
