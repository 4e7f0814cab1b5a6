// The way of a query without sockets, for counting instructions: under callgrind it dumps one
// profile for each run, and bench/instructions takes their differences. Without callgrind it only
// checks the answers.
//
//   valgrind --tool=callgrind --instr-atstart=no bench_in_process 20000 100 100000
//
// The first number is N; the others are numbers of services. Each case runs N and then 2N queries,
// dumped under the names "CASE SERVICES N" and "CASE SERVICES 2N".
#include <valgrind/callgrind.h>

#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>

#include "bench/cluster.h"

namespace clusterdns::bench {
namespace {

// As many as one system call of the server receives: entering and leaving the table is shared by
// these.
constexpr std::size_t kBatch = 64;
constexpr std::size_t kQuestions = 4096;

void run(Model& model, Asker& asker, const std::vector<Packet>& packets, std::size_t n) {
  std::size_t at = 0;
  for (std::size_t done = 0; done < n; done += kBatch) {
    model.reclaim.enter(0);
    for (std::size_t i = 0; i < kBatch; ++i) {
      (void)asker.ask(packets[at].view());
      if (++at == packets.size()) at = 0;
    }
    model.reclaim.leave(0);
    asker.end_batch();
  }
}

void count(std::size_t n, std::uint32_t services) {
  Model model({.services = services, .endpoints = 10, .cluster_ip_endpoints = 0});
  Asker asker(model, 0);
  for (unsigned c = 0; c < static_cast<unsigned>(Case::kCount); ++c) {
    const Case what{static_cast<std::uint8_t>(c)};
    const std::vector<Packet> packets = questions(model.shape, what, kQuestions);
    check_answers(model, what, packets);
    for (const unsigned times : {1U, 2U}) {
      CALLGRIND_START_INSTRUMENTATION;
      CALLGRIND_ZERO_STATS;
      run(model, asker, packets, n * times);
      const std::string label = std::string(to_string(what)) + " " + std::to_string(services) +
                                (times == 1 ? " N" : " 2N");
      CALLGRIND_DUMP_STATS_AT(label.c_str());
      CALLGRIND_STOP_INSTRUMENTATION;
    }
  }
}

}  // namespace
}  // namespace clusterdns::bench

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: %s N SERVICES...\n", argv[0]);
    return 2;
  }
  try {
    for (int i = 2; i < argc; ++i) {
      clusterdns::bench::count(std::strtoul(argv[1], nullptr, 10),
                               static_cast<std::uint32_t>(std::strtoul(argv[i], nullptr, 10)));
    }
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s: %s\n", argv[0], e.what());
    return 1;
  }
  return 0;
}
