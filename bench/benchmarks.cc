// In-process benchmarks: parse, look-up, encode, building and changing the table, several workers.
//
//   bench_benchmarks --benchmark_filter=Change
//
// Times are of this machine; what repeats anywhere is in bench/instructions.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <ctime>
#include <map>
#include <memory>
#include <stdexcept>
#include <thread>
#include <vector>

#include "bench/cluster.h"
#include "dns/query/encoder.h"
#include "dns/wire/query_parser.h"

namespace clusterdns::bench {
namespace {

using Clock = std::chrono::steady_clock;

// As many as one system call of the server receives.
constexpr std::size_t kBatch = 64;
constexpr std::size_t kQuestions = 4096;
constexpr std::uint32_t kLargeService = 1000;  // endpoints

// CPU time of this thread: a busy machine's other work is not in it.
double thread_microseconds() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) / 1e3;
}

double microseconds(Clock::duration d) {
  return std::chrono::duration<double, std::micro>(d).count();
}

// Models are kept: building a large one costs more than most benchmarks on it.
Model& model_of(std::uint32_t services, std::uint32_t cluster_ip_endpoints = 10,
                unsigned workers = 2) {
  static std::map<std::pair<std::uint32_t, std::uint32_t>, std::unique_ptr<Model>> models;
  auto& model = models[{services, cluster_ip_endpoints}];
  if (model == nullptr) {
    model = std::make_unique<Model>(
        ClusterShape{
            .services = services, .endpoints = 10, .cluster_ip_endpoints = cluster_ip_endpoints},
        workers);
  }
  return *model;
}

Case case_of(const benchmark::State& state) {
  return Case{static_cast<std::uint8_t>(state.range(0))};
}

void BM_Parse(benchmark::State& state) {
  const std::vector<Packet> packets = questions({}, Case::Hit, kQuestions);
  const auto query = std::make_unique<dns::Query>();
  std::size_t at = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(dns::parse_query(packets[at].view(), *query));
    if (++at == packets.size()) at = 0;
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_Parse);

// Deciding only: parsed questions against the table.
void BM_LookUp(benchmark::State& state) {
  Model& model = model_of(10'000);
  const Case what = case_of(state);
  const std::vector<Packet> packets = questions(model.shape, what, 256);
  check_answers(model, what, packets);
  Asker asker(model, 0);
  std::vector<dns::Query> parsed(packets.size());
  for (std::size_t i = 0; i < packets.size(); ++i) {
    (void)dns::parse_query(packets[i].view(), parsed[i]);
  }
  auto answer = std::make_unique<dns::Answer>();
  std::size_t at = 0;
  model.reclaim.enter(0);
  for (auto _ : state) {
    const dns::Query& query = parsed[at];
    answer->reset(query.lower.data(), query.qname_size);
    benchmark::DoNotOptimize(
        model.stage->look_up(query.name(), query.qtype, 0, *answer, *asker.context().worker));
    if (++at == parsed.size()) at = 0;
  }
  model.reclaim.leave(0);
  state.SetLabel(to_string(what));
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_LookUp)->DenseRange(0, static_cast<int>(Case::kCount) - 1);

// Writing only: one decided answer, again and again.
void BM_Encode(benchmark::State& state) {
  Model& model = model_of(10'000);
  const Case what = case_of(state);
  const std::vector<Packet> packets = questions(model.shape, what, 1);
  Asker asker(model, 0);
  model.reclaim.enter(0);
  (void)asker.ask(packets[0].view());
  dns::Exchange& exchange = asker.context();
  std::vector<std::uint8_t> out(4096);
  for (auto _ : state) {
    // Encoding notes where names stand; each run starts from what was decided.
    for (std::size_t i = 1; i < exchange.answer.name_count; ++i) {
      if (exchange.answer.names[i].literal == 0) exchange.answer.names[i].offset = 0;
    }
    benchmark::DoNotOptimize(dns::encode_answer(exchange.query, exchange.answer,
                                                dns::kDefaultUdpSize, out.data(), out.size()));
  }
  model.reclaim.leave(0);
  state.SetLabel(to_string(what));
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_Encode)->DenseRange(0, static_cast<int>(Case::kCount) - 1);

// From packet to packet. Arguments: case, services.
void BM_Respond(benchmark::State& state) {
  Model& model = model_of(static_cast<std::uint32_t>(state.range(1)), 0);
  const Case what = case_of(state);
  const std::vector<Packet> packets = questions(model.shape, what, kQuestions);
  check_answers(model, what, packets);
  Asker asker(model, 0);
  std::size_t at = 0;
  for (auto _ : state) {
    model.reclaim.enter(0);
    for (std::size_t i = 0; i < kBatch; ++i) {
      benchmark::DoNotOptimize(asker.ask(packets[at].view()));
      if (++at == packets.size()) at = 0;
    }
    model.reclaim.leave(0);
  }
  state.SetLabel(to_string(what));
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kBatch));
}
BENCHMARK(BM_Respond)
    ->ArgsProduct({benchmark::CreateDenseRange(0, static_cast<int>(Case::kCount) - 1, 1),
                   {100, 100'000}});

// The whole table from parsed objects. Argument: services, each with 10 endpoints.
void BM_BuildTable(benchmark::State& state) {
  const auto services = static_cast<std::uint32_t>(state.range(0));
  registry::Store store;
  fill(store, {.services = services, .endpoints = 10, .cluster_ip_endpoints = 10});
  std::size_t octets = 0;
  for (auto _ : state) {
    dns::ReclaimDomain reclaim(1);
    auto table = std::make_shared<zones::RecordTable>(reclaim, zones::TableOptions{});
    const zones::TableFeed feed(store, table, zones::FeedOptions{});
    octets = table->block_octets();
    state.PauseTiming();  // taking it down is not building
    if (table->service_count() != services) state.SkipWithError("services are missing");
    state.ResumeTiming();
  }
  state.counters["endpoints"] = static_cast<double>(store.endpoint_count());
  state.counters["octets_per_endpoint"] =
      static_cast<double>(octets) / static_cast<double>(store.endpoint_count());
}
BENCHMARK(BM_BuildTable)->Arg(1'000)->Arg(10'000)->Unit(benchmark::kMillisecond);

// Publishing alone: block and pointer. Arguments: services, endpoints of the changed service.
void BM_Publish(benchmark::State& state) {
  Model& model = model_of(static_cast<std::uint32_t>(state.range(0)));
  ClusterShape shape = model.shape;
  shape.endpoints = static_cast<std::uint32_t>(state.range(1));
  const std::uint32_t service = model.shape.services - 1;
  const registry::Service object = make_service(service);
  const registry::EndpointSlice slices[2] = {make_slice(shape, service, 1),
                                             make_slice(shape, service, 2)};
  std::size_t at = 0;
  for (auto _ : state) {
    const registry::EndpointSlice* const slice = &slices[++at % 2];
    model.table->publish(object, {&slice, 1});
    model.table->collect();
  }
  const registry::EndpointSlice before = make_slice(model.shape, service);
  const registry::EndpointSlice* const slice = &before;
  model.table->publish(object, {&slice, 1});
}
BENCHMARK(BM_Publish)
    ->ArgsProduct({{100, 1'000, 10'000}, {10, kLargeService}})
    ->Unit(benchmark::kMicrosecond);

// From the event handed to the store to the first right answer, each change checked: the answer
// carries the revision of its addresses. Arguments: services, endpoints of the changed service.
void BM_Change(benchmark::State& state) {
  Model& model = model_of(static_cast<std::uint32_t>(state.range(0)));
  ClusterShape shape = model.shape;
  shape.endpoints = static_cast<std::uint32_t>(state.range(1));
  Asker asker(model, 0);
  asker.context().transport = dns::Transport::Udp;
  std::vector<double> latencies;
  std::vector<double> cpu_times;
  std::uint32_t step = 0;
  const std::uint32_t headless = model.shape.services / 10;
  const bool large = shape.endpoints != model.shape.endpoints;
  for (auto _ : state) {
    // Small changes go round all headless services, large ones stay with one.
    const std::uint32_t service = (large ? headless - 1 : step * 7919 % headless) * 10 + 9;
    const unsigned revision = 1 + ++step % 7;
    registry::EndpointSlice slice = make_slice(shape, service, revision);
    const registry::IpAddress expected = slice.endpoints[0].address;
    const Packet packet(service_fqdn(service), dns::RRType::A, true);
    const double cpu_begin = thread_microseconds();
    const auto begin = Clock::now();
    model.store.upsert(std::move(slice));
    model.store.commit();
    model.reclaim.enter(0);
    const std::size_t size = asker.ask(packet.view());
    model.reclaim.leave(0);
    const auto end = Clock::now();
    cpu_times.push_back(thread_microseconds() - cpu_begin);
    // Rows of one slice differ in the low bits only; the revision is in bits 20 to 22.
    bool right = size > packet.view().size() + 4;
    if (right) {
      const std::uint8_t* const first = asker.response() + packet.view().size() - 11 + 12;
      right = (first[1] & 0x70) == (expected.octets[1] & 0x70);
    }
    if (!right) {
      state.SkipWithError("a change did not show in the next answer");
      break;
    }
    state.SetIterationTime(std::chrono::duration<double>(end - begin).count());
    latencies.push_back(microseconds(end - begin));
  }
  if (large) {
    model.store.upsert(make_slice(model.shape, (headless - 1) * 10 + 9));
    model.store.commit();
  }
  if (latencies.empty()) return;
  std::sort(latencies.begin(), latencies.end());
  std::sort(cpu_times.begin(), cpu_times.end());
  state.counters["p50_us"] = latencies[latencies.size() / 2];
  state.counters["p99_us"] = latencies[latencies.size() * 99 / 100];
  state.counters["p99_cpu_us"] = cpu_times[cpu_times.size() * 99 / 100];
  state.counters["max_us"] = latencies.back();
  state.counters["changes"] = static_cast<double>(latencies.size());
}
BENCHMARK(BM_Change)
    ->ArgsProduct({{100, 1'000, 10'000}, {10, kLargeService}})
    ->UseManualTime()
    ->Unit(benchmark::kMicrosecond);

// Readers while changes come; argument: changes a second (0: none).
void BM_ReadWhileChanging(benchmark::State& state) {
  Model& model = model_of(10'000);
  const std::vector<Packet> packets = questions(model.shape, Case::Headless, kQuestions);
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> changes{0};
  std::thread writer;
  const auto begin = Clock::now();
  if (state.range(0) != 0) {
    writer = std::thread([&] {
      const auto period = std::chrono::nanoseconds(1'000'000'000 / state.range(0));
      auto next = Clock::now();
      for (std::uint32_t step = 0; !stop.load(std::memory_order_relaxed); ++step) {
        const std::uint32_t service = step * 7919 % 1000 * 10 + 9;
        model.store.upsert(make_slice(model.shape, service, 1 + step % 7));
        model.store.commit();
        changes.fetch_add(1, std::memory_order_relaxed);
        next += period;
        std::this_thread::sleep_until(next);
      }
    });
  }
  Asker asker(model, 0);
  std::size_t at = 0;
  for (auto _ : state) {
    model.reclaim.enter(0);
    for (std::size_t i = 0; i < kBatch; ++i) {
      benchmark::DoNotOptimize(asker.ask(packets[at].view()));
      if (++at == packets.size()) at = 0;
    }
    model.reclaim.leave(0);
  }
  stop = true;
  if (writer.joinable()) writer.join();
  const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  state.counters["changes_per_s"] = static_cast<double>(changes.load()) / seconds;
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kBatch));
}
BENCHMARK(BM_ReadWhileChanging)->Arg(0)->Arg(1'000)->MinTime(2);

// Workers share the table and nothing else. Argument: case.
void BM_Workers(benchmark::State& state) {
  static Model* shared = nullptr;
  if (state.thread_index() == 0) shared = &model_of(10'000);
  const std::vector<Packet> packets = questions({.services = 10'000}, case_of(state), kQuestions);
  std::unique_ptr<Asker> asker;
  std::size_t at = state.thread_index() == 0 ? 0 : packets.size() / 2;
  const auto index = static_cast<unsigned>(state.thread_index());
  for (auto _ : state) {
    if (asker == nullptr) asker = std::make_unique<Asker>(*shared, index);
    shared->reclaim.enter(index);
    for (std::size_t i = 0; i < kBatch; ++i) {
      benchmark::DoNotOptimize(asker->ask(packets[at].view()));
      if (++at == packets.size()) at = 0;
    }
    shared->reclaim.leave(index);
  }
  state.SetLabel(to_string(case_of(state)));
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kBatch));
}
BENCHMARK(BM_Workers)
    ->Arg(static_cast<int>(Case::Hit))
    ->Arg(static_cast<int>(Case::Headless))
    ->Threads(1)
    ->Threads(2)
    ->UseRealTime()
    ->MinTime(1);

}  // namespace
}  // namespace clusterdns::bench

BENCHMARK_MAIN();
