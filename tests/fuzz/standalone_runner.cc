// Runs a fuzz target without libFuzzer, so that ctest does it with any compiler and sanitizer:
// every file of the corpus, every generated seed, then mutations of them. The same numbers come
// out of the same seed, so that "run 1234" names an input.
//
//   fuzz_TARGET [CORPUS_FOLDER]        replay, then mutate
//   fuzz_TARGET FILE...                these inputs only
//   fuzz_TARGET --seeds FOLDER         writes the generated seeds there, for libFuzzer
//
//   CLUSTERDNS_FUZZ_RUNS   mutations, 20000
//   CLUSTERDNS_FUZZ_SEED   of the random numbers, 1
#include <algorithm>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>

#include "tests/fuzz/fuzz_target.h"

// Of the sanitizers' runtime, where there is one.
extern "C" void __sanitizer_set_death_callback(void (*callback)()) __attribute__((weak));

namespace {

using clusterdns::fuzz::Octets;

constexpr unsigned long kDefaultRuns = 20000;
// Inputs grow no longer than this, or than the longest seed: what is large is slow and finds less.
constexpr std::size_t kMaxSize = 2048;

Octets current;
std::string current_name;

// Keeps the input that did it. Called while the process dies, so it is brief.
void save_current() {
  static bool saved = false;
  if (saved) return;
  saved = true;
  const char* const path = "fuzz-failure.bin";
  std::fprintf(stderr, "input: %s (%zu octets), kept in %s\n", current_name.c_str(), current.size(),
               path);
  if (std::FILE* const file = std::fopen(path, "wb")) {
    if (!current.empty()) std::fwrite(current.data(), 1, current.size(), file);
    std::fclose(file);
  }
}

extern "C" void on_signal(int signal) {
  save_current();
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

Octets read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void run(const std::string& name, const Octets& input) {
  current_name = name;
  current = input;
  // A copy of exactly this size: reads beyond it are seen.
  const Octets exact(input);
  LLVMFuzzerTestOneInput(exact.data(), exact.size());
}

unsigned long number_from(const char* variable, unsigned long otherwise) {
  const char* const text = std::getenv(variable);
  return text == nullptr ? otherwise : std::strtoul(text, nullptr, 10);
}

class Mutator {
 public:
  Mutator(const std::vector<Octets>& seeds, unsigned long seed) : seeds_(seeds), random_(seed) {
    for (const Octets& octets : seeds_) longest_ = std::max(longest_, octets.size());
    longest_ = std::max(longest_, kMaxSize);
  }

  Octets next() {
    Octets octets = seeds_[below(seeds_.size())];
    for (std::size_t steps = 1 + below(below(8) == 0 ? 16 : 4); steps > 0; --steps) mutate(octets);
    if (octets.size() > longest_) octets.resize(longest_);
    return octets;
  }

 private:
  std::size_t below(std::size_t limit) { return limit == 0 ? 0 : random_() % limit; }
  std::uint8_t octet() {
    static constexpr std::uint8_t kInteresting[] = {0,    1,    0x0C, 0x29, 0x3F, 0x40, 0x7F,
                                                    0x80, 0xC0, 0xFF, '{',  '}',  '"',  '\\',
                                                    '\n', ':',  ' ',  '-',  '$',  '#',  '&'};
    return below(2) == 0 ? kInteresting[below(sizeof kInteresting)]
                         : static_cast<std::uint8_t>(random_());
  }
  static std::ptrdiff_t at(std::size_t offset) { return static_cast<std::ptrdiff_t>(offset); }

  void mutate(Octets& o) {
    const std::size_t place = below(o.size() + 1);
    switch (below(9)) {
      case 0:  // one bit
        if (place < o.size()) o[place] = static_cast<std::uint8_t>(o[place] ^ (1U << below(8)));
        break;
      case 1:  // one octet
        if (place < o.size()) o[place] = octet();
        break;
      case 2:  // two octets, as one number
        if (place + 1 < o.size()) {
          const std::size_t number = below(3) == 0 ? 0xFFFF - below(3) : below(64);
          o[place] = static_cast<std::uint8_t>(number >> 8);
          o[place + 1] = static_cast<std::uint8_t>(number);
        }
        break;
      case 3: o.insert(o.begin() + at(place), octet()); break;
      case 4: {
        const std::size_t count = std::min(o.size() - place, 1 + below(8));
        o.erase(o.begin() + at(place), o.begin() + at(place + count));
        break;
      }
      case 5: o.resize(place); break;
      case 6: {  // a piece of itself, once more
        const std::size_t count = std::min(o.size() - place, 1 + below(64));
        const Octets piece(o.begin() + at(place), o.begin() + at(place + count));
        o.insert(o.begin() + at(below(o.size() + 1)), piece.begin(), piece.end());
        break;
      }
      default: {  // a piece of another seed, put in or over
        const Octets& other = seeds_[below(seeds_.size())];
        const std::size_t from = below(other.size() + 1);
        const std::size_t count = std::min(other.size() - from, 1 + below(64));
        if (below(2) == 0) {
          o.insert(o.begin() + at(place), other.begin() + at(from),
                   other.begin() + at(from + count));
        } else {
          const std::size_t over = std::min(count, o.size() - place);
          std::copy_n(other.begin() + at(from), over, o.begin() + at(place));
        }
      }
    }
  }

  const std::vector<Octets>& seeds_;
  std::mt19937_64 random_;
  std::size_t longest_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  namespace fs = std::filesystem;
  if (__sanitizer_set_death_callback != nullptr) __sanitizer_set_death_callback(&save_current);
  for (const int signal : {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL})
    std::signal(signal, &on_signal);

  std::vector<Octets> seeds = clusterdns::fuzz::generated_seeds();
  if (argc == 3 && std::strcmp(argv[1], "--seeds") == 0) {
    fs::create_directories(argv[2]);
    for (std::size_t i = 0; i < seeds.size(); ++i) {
      std::ofstream file(fs::path(argv[2]) / ("seed-" + std::to_string(i)), std::ios::binary);
      for (const std::uint8_t octet : seeds[i]) file.put(static_cast<char>(octet));
    }
    return 0;
  }
  const bool files_only = argc > 1 && !fs::is_directory(argv[1]);
  if (files_only) {
    for (int i = 1; i < argc; ++i) run(argv[i], read_file(argv[i]));
    std::printf("%d inputs\n", argc - 1);
    return 0;
  }
  for (std::size_t i = 0; i < seeds.size(); ++i)
    run("generated seed " + std::to_string(i), seeds[i]);
  std::vector<fs::path> files;
  if (argc > 1) {
    for (const auto& entry : fs::directory_iterator(argv[1])) {
      if (entry.is_regular_file()) files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
  }
  for (const fs::path& file : files) {
    seeds.push_back(read_file(file));
    run(file.string(), seeds.back());
  }
  if (seeds.empty()) {
    std::fprintf(stderr, "no seeds: give a corpus folder\n");
    return 1;
  }
  const unsigned long runs = number_from("CLUSTERDNS_FUZZ_RUNS", kDefaultRuns);
  const unsigned long seed = number_from("CLUSTERDNS_FUZZ_SEED", 1);
  Mutator mutator(seeds, seed);
  for (unsigned long i = 0; i < runs; ++i) {
    run("run " + std::to_string(i) + " of seed " + std::to_string(seed), mutator.next());
  }
  std::printf("%zu seeds, %lu mutations\n", seeds.size(), runs);
  return 0;
}
