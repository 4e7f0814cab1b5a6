// conversations FILE…: plays them, and says at which line one goes wrong.
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>

#include "tests/conversations/play.h"
#include "tests/conversations/script.h"
#include "tests/conversations/self_check.h"

namespace conversation = clusterdns::conversation;

int main(int argc, char** argv) {
  if (argc < 2) {
    std::cerr << "Usage: conversations FILE… | --self-check\n";
    return 2;
  }
  if (std::string(argv[1]) == "--self-check") return conversation::self_check() ? 0 : 1;
  bool good = true;
  for (int i = 1; i < argc; ++i) {
    std::ifstream in(argv[i]);
    if (!in) {
      std::cerr << argv[i] << ": cannot be read\n";
      good = false;
      continue;
    }
    const std::string text{std::istreambuf_iterator<char>(in), {}};
    try {
      conversation::play(conversation::read_script(argv[i], text));
    } catch (const std::exception& e) {
      std::cerr << e.what() << "\n";
      good = false;
    }
  }
  return good ? 0 : 1;
}
