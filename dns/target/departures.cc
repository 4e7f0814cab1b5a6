#include "dns/target/departures.h"

#include <malloc.h>

#include <algorithm>

namespace clusterdns::dns {
namespace {

std::string key_of(const Endpoint& client) {
  return {reinterpret_cast<const char*>(client.address.data()), client.v6 ? 16U : 4U};
}

// See kMaxDelayedOctets.
std::atomic<std::size_t> process_octets{0};

// Datagrams that leave before others get their turn.
constexpr std::uint32_t kPortion = 256;

}  // namespace

std::size_t Departure::octets() const noexcept {
  // The allocator's own, and what the channel and the question take.
  constexpr std::size_t kOther = 512;
  return sizeof(Exchange) + sizeof(Departure) + kOther + message.capacity() + before.capacity() +
         told.capacity();
}

bool HeldAnswers::add(const Endpoint& client, std::weak_ptr<Departures> where, std::uint64_t id) {
  const std::lock_guard lock(mutex_);
  const bool fresh = by_client_.try_emplace(key_of(client), Held{std::move(where), id}).second;
  count_.store(by_client_.size(), std::memory_order_relaxed);
  return fresh;
}

void HeldAnswers::remove(const Endpoint& client, std::uint64_t id) {
  const std::lock_guard lock(mutex_);
  const auto found = by_client_.find(key_of(client));
  if (found != by_client_.end() && found->second.id == id) by_client_.erase(found);
  count_.store(by_client_.size(), std::memory_order_relaxed);
}

void HeldAnswers::release(const Endpoint& client) noexcept {
  try {
    Held held;
    {
      const std::lock_guard lock(mutex_);
      const auto found = by_client_.find(key_of(client));
      if (found == by_client_.end()) return;
      held = std::move(found->second);
      by_client_.erase(found);
      count_.store(by_client_.size(), std::memory_order_relaxed);
    }
    if (const auto where = held.where.lock()) where->let_go(held.id);
  } catch (...) {
    // No memory: it leaves when its time is over.
  }
}

Departures::Departures(WorkerContext& worker, std::shared_ptr<FaultNotes> notes,
                       std::shared_ptr<DelayFigures> figures, std::shared_ptr<HeldAnswers> held)
    : worker_(worker),
      notes_(std::move(notes)),
      figures_(std::move(figures)),
      held_answers_(std::move(held)) {
  if (worker.network == nullptr) worker.network = make_socket_network(*worker.io);
  network_ = worker.network;
  timer_ = network_->make_timer();
}

Departures::~Departures() { close(); }

bool Departures::take_room(const Departure& departure) noexcept {
  const std::size_t octets = departure.octets();
  if (process_octets.fetch_add(octets, std::memory_order_relaxed) + octets > kMaxDelayedOctets) {
    process_octets.fetch_sub(octets, std::memory_order_relaxed);
    figures_->dropped.fetch_add(1, std::memory_order_relaxed);
    return false;
  }
  figures_->octets.fetch_add(octets, std::memory_order_relaxed);
  figures_->waiting.fetch_add(1, std::memory_order_relaxed);
  octets_ += octets;
  most_ = std::max(most_, octets_);
  return true;
}

void Departures::give_room(const Departure& departure) noexcept {
  const std::size_t octets = departure.octets();
  process_octets.fetch_sub(octets, std::memory_order_relaxed);
  figures_->octets.fetch_sub(octets, std::memory_order_relaxed);
  figures_->waiting.fetch_sub(1, std::memory_order_relaxed);
  octets_ -= octets;
}

// The allocator keeps what a worker frees for that worker, which may never need so much again.
void Departures::give_back() noexcept {
  if (octets_ != 0 || most_ < kDelayedGivenBack) return;
  most_ = 0;
  ::malloc_trim(0);
}

void Departures::add(Departure departure, std::int64_t due_ns) noexcept {
  try {
    const bool waits = !closed_ && due_ns > monotonic_ns();
    if (!waits && !departure.hold) return send(departure);
    if (closed_) return send(departure);
    if (!take_room(departure)) return;
    auto kept = std::make_unique<Departure>(std::move(departure));
    if (!waits) return leave(std::move(kept));
    push({due_ns, ++last_id_, std::move(kept)});
  } catch (...) {
    // No memory: it is lost, as an answer can be.
  }
}

void Departures::push(Waiting waiting) {
  waiting_.push_back(std::move(waiting));
  std::push_heap(waiting_.begin(), waiting_.end(), later);
  arm();
}

void Departures::arm() {
  if (waiting_.empty()) return;
  const std::int64_t next = waiting_.front().due_ns;
  if (armed_ns_ != 0 && armed_ns_ <= next) return;
  armed_ns_ = next;
  timer_->arm(UpstreamClock::time_point(std::chrono::nanoseconds(next)), [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->on_time();
  });
}

void Departures::on_time() noexcept {
  armed_ns_ = 0;
  const std::int64_t now = monotonic_ns();
  // Thousands that are due at once leave in portions, so that others are answered meanwhile.
  std::uint32_t datagrams = 0;
  while (!waiting_.empty() && waiting_.front().due_ns <= now && datagrams < kPortion) {
    std::pop_heap(waiting_.begin(), waiting_.end(), later);
    Waiting next = std::move(waiting_.back());
    waiting_.pop_back();
    if (next.departure == nullptr) {
      ++datagrams;
      free(next.id);
    } else {
      datagrams += next.departure->copies;
      leave(std::move(next.departure));
    }
  }
  give_back();
  try {
    arm();
  } catch (...) {
    // The next answer arms it.
  }
}

void Departures::leave(std::unique_ptr<Departure> departure) noexcept {
  try {
    const std::uint64_t id = ++last_id_;
    const Endpoint client = departure->exchange->client;
    if (departure->hold && !closed_ && held_answers_->add(client, weak_from_this(), id)) {
      held_.emplace(id, std::move(departure));
      return push({monotonic_ns() + kLongestHold, id, nullptr});
    }
  } catch (...) {
    if (departure == nullptr) return;
  }
  give_room(*departure);
  send(*departure);
}

void Departures::free(std::uint64_t id) noexcept {
  const auto found = held_.find(id);
  if (found == held_.end()) return;
  const std::unique_ptr<Departure> departure = std::move(found->second);
  held_.erase(found);
  try {
    held_answers_->remove(departure->exchange->client, id);
  } catch (...) {
    // No memory for a key: the next answer to this client removes it.
  }
  give_room(*departure);
  send(*departure);
}

void Departures::let_go(std::uint64_t id) {
  network_->post([weak = weak_from_this(), id] {
    const auto self = weak.lock();
    if (self == nullptr) return;
    self->free(id);
    self->give_back();
  });
}

void Departures::send(Departure& departure) noexcept {
  ReplyChannel& channel = departure.exchange->channel();
  // By itself: answers to one client that leave together are put in order of their size.
  if (!departure.before.empty()) channel.send_oddly(departure.before, {});
  for (std::uint32_t i = 0; i < departure.copies; ++i) {
    if (departure.odd || departure.message.empty()) {
      channel.send_oddly(departure.message, departure.how);
    } else {
      channel.send(departure.message);
    }
  }
  const unsigned index = worker_.index;
  FaultNote& note = notes_->set(index);
  note = std::move(departure.note);
  note.departure = &departure;
  if (departure.how.nothing) {
    departure.exchange.reset();  // which tells that there was no answer
  } else {
    Exchange::conclude_sent(std::move(departure.exchange),
                            departure.told.empty() ? departure.message : departure.told);
  }
  notes_->clear(index);
}

void Departures::close() noexcept {
  closed_ = true;
  for (Waiting& each : waiting_) {
    if (each.departure == nullptr) continue;
    give_room(*each.departure);
    send(*each.departure);
  }
  waiting_.clear();
  while (!held_.empty()) free(held_.begin()->first);
}

}  // namespace clusterdns::dns
