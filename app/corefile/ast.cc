#include "app/corefile/ast.h"

#include <algorithm>

namespace clusterdns::app {

bool says_the_same(const Directive& a, const Directive& b) {
  const auto same_word = [](const Token& x, const Token& y) { return x.text == y.text; };
  return same_word(a.name, b.name) &&
         std::equal(a.args.begin(), a.args.end(), b.args.begin(), b.args.end(), same_word) &&
         std::equal(a.block.begin(), a.block.end(), b.block.begin(), b.block.end(), says_the_same);
}

}  // namespace clusterdns::app
