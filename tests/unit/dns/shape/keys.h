// Keys that were made for tests, as `dnssec-keygen` wrote them.
#pragma once

#include <memory>
#include <string>

#include "app/directives/zone_keys.h"
#include "dns/shape/signing_key.h"

namespace clusterdns::unit {

struct KeyText {
  const char* public_half;
  const char* private_half;
};

inline constexpr KeyText kP256Ksk{
    "example.test. IN DNSKEY 257 3 13 "
    "JC4AtE0hAh/FAWuy29ReIx0tDWovsVgM541Dl/cdCMMLauUZd4xYPhMb "
    "0eIfJC5IzcOWj0pxRiSZhsWDsrop5w==\n",
    "Private-key-format: v1.3\n"
    "Algorithm: 13 (ECDSAP256SHA256)\n"
    "PrivateKey: 1taXPJxlrem62K3mbnkaU69pIBZvvF4QkFD5xlsCZAw=\n"};
inline constexpr KeyText kP256Zsk{
    "example.test. IN DNSKEY 256 3 13 "
    "pb0/nQt13+8DbvzIXk+ZVQu4odrf+tnvdN22USNS4EesZXJIXrE87jdL "
    "FXymhcJb0Chh8E7O7mjxetkVXOFDHA==\n",
    "Private-key-format: v1.3\n"
    "Algorithm: 13 (ECDSAP256SHA256)\n"
    "PrivateKey: HGmrQDjl/kU6hwVRjAoek+XzC+rdzRkOA7zMINU9000=\n"};
inline constexpr KeyText kP384{
    "example.test. IN DNSKEY 257 3 14 "
    "lGsBpmRBITnWdZ/3ar3hzJOPc7/+9ESXcWOxc+sXBrGt3ifbECGrJLeN "
    "VAzGB3H4ns3XWWCH2hJImKHNGaXSRtUCvXNiduZ40E4hPh/yaBv5gMw1 Bdjc+CGlfoFgF6Tw\n",
    "Private-key-format: v1.3\n"
    "Algorithm: 14 (ECDSAP384SHA384)\n"
    "PrivateKey: DJCXjQoVY2O2D6MGS6ipcxBCRiIvqjnsmiMPbrgGtnke2B6euWs5laH9z4WdzrcP\n"};
inline constexpr KeyText kEd25519{
    "example.test. IN DNSKEY 257 3 15 NmVD2weF6Jh+QOQfwpd0B8dCGwGFNvpy/DdqtMonLtc=\n",
    "Private-key-format: v1.3\n"
    "Algorithm: 15 (ED25519)\n"
    "PrivateKey: QEb9AEpjJETqI4WJzEjrujlW5Qi+Db53SiPgyYTgpig=\n"};
inline constexpr KeyText kRsa1024{
    "example.test. IN DNSKEY 257 3 8 "
    "AwEAAarh0XAsPC5QbY7txlG4FWqnOEWDo8qQve3QwUqUiwzk1h8kU3RL "
    "PTkXt7PrA8pAhqgnarQfXEVyQEwLOyuDJVyjjorCUKx0ztNzaKaSAX5b "
    "AH/OPKd3VgMLwcWf/p37ohZLzuyviN6iMyuSx6u/VDxdEWfUKYe+/xb8 FkjxzRP7\n",
    "Private-key-format: v1.3\n"
    "Algorithm: 8 (RSASHA256)\n"
    "Modulus: quHRcCw8LlBtju3GUbgVaqc4RYOjypC97dDBSpSLDOTWHyRTdEs9ORe3s+sDykCGqCdqtB9"
    "cRXJATAs7K4MlXKOOisJQrHTO03NoppIBflsAf848p3dWAwvBxZ/+nfuiFkvO7K+I3qIzK5LHq79UPF0"
    "RZ9Qph77/FvwWSPHNE/s=\n"
    "PublicExponent: AQAB\n"
    "PrivateExponent: bSbNZz96OYM6WB/dm/lgBL5HnW+Wwh9ukmfT79WudE//zeigPhqJQty5hP1LcHe"
    "DDAoRiHi3scxm8awC4aplxBlXx/u/awVsAeTLvWzG1Vrhbyynh+ZqZM2sSn2TaWI80XlSmwWqN8ld6GU"
    "IRDUrGpJ/VeJ3AkU+4R7oVYxoESE=\n"
    "Prime1: 26ZgbPP+LTVxwENmqG30qjYsGNf22KjhW9r14l+4bwC3m0QPTruDc+MG9mHBKs+heR0rYHeK"
    "GQ6wId6IHwTm8w==\n"
    "Prime2: xylb4ftLqKGE60+aZEXSy4WQ3ICuuXKKDQssGGKRtdWPVIGXgLExO3Z/9Lxz8jinem2vLUDg"
    "jMYIUqsu9Llw2Q==\n"
    "Exponent1: DsfBUVOR1QT1pJRkggz0G8gNa5aMu8ORdpbjWNpMFNwdfsszpH6lt9SdEVM+plzWZsn5s"
    "0IX/tuoKn9I9Z1k1Q==\n"
    "Exponent2: RVbH76CPEdHSNh7L0PdiUYtaCPsgWd5f4/Ss0HyY4GbO9Qv9VEfcrSgvmmR2NbG11XEUm"
    "TvKMhjMUwPYYEmj2Q==\n"
    "Coefficient: I3Q356zouBl3MhVGEt6EppWTFLY4XQofWW8A3c8FtT8RIA5jXfuXXiGa0CJUNq4VRph"
    "GkrlP2JL13Z6EXegMEQ==\n"};
inline constexpr KeyText kRsa2048{
    "example.test. IN DNSKEY 257 3 10 "
    "AwEAAeKZPccrvmp4YmPOFEmM9PwfmY0b6gke3wGpV0Lsu0wiAHlcHdHz "
    "LbSsTLQg4CVTz8sDNoDz+PWYuQqAtmovuUt66n8g6bpZWxkIhbAfjHpT "
    "umVxGW4s+QvCInARhGQQGOUaLe0TYKWnjNS5xakrLsJT2ibN4UD0HL8j "
    "kXZ9oF6FRr9GDALXt1jl/c/j1ipfTNxcg3TtmtsD6XzoJwZkJ3XGKmP+ "
    "uw6SYaSiqi4lwraGCpfcE+yVjDI777ol+ppDBH1iErJfLVlY1MblbMne "
    "cvFGH7XqPwF90jfe1e93ePDetUcFg4u0oluHZy/hhmepNyR04FAZvuGe DiItj58Mduc=\n",
    "Private-key-format: v1.3\n"
    "Algorithm: 10 (RSASHA512)\n"
    "Modulus: 4pk9xyu+anhiY84USYz0/B+ZjRvqCR7fAalXQuy7TCIAeVwd0fMttKxMtCDgJVPPywM2gPP"
    "49Zi5CoC2ai+5S3rqfyDpullbGQiFsB+MelO6ZXEZbiz5C8IicBGEZBAY5Rot7RNgpaeM1LnFqSsuwlP"
    "aJs3hQPQcvyORdn2gXoVGv0YMAte3WOX9z+PWKl9M3FyDdO2a2wPpfOgnBmQndcYqY/67DpJhpKKqLiX"
    "CtoYKl9wT7JWMMjvvuiX6mkMEfWISsl8tWVjUxuVsyd5y8UYfteo/AX3SN97V73d48N61RwWDi7SiW4d"
    "nL+GGZ6k3JHTgUBm+4Z4OIi2Pnwx25w==\n"
    "PublicExponent: AQAB\n"
    "PrivateExponent: DqUgF4WABs7cS1Urj8deWbzd9BGMki7DGEXlMhnkTwiPQf+OU9UJmh1c83MTEGH"
    "20m2eOxnJipRB757otF/FqvLUipmTdiLYKA4aTmaF39JfEkl5fu0OdPTgTnwP6p9i216bbIwttK38BH0"
    "PM0MiSXI9yPeI/HehWEhIkWXYuS548up+pCYJRkhcA6bw5t3nIXQZK/kogxT9I+QMt9U1pMlgSnJdBHb"
    "CeYAIaPyJHdRYYuOyqhoHRXM4u587ZB3S95LEucLVda7L0EmyAtyiOsn9t/HHSA6mWZJoKvVYgSvXGF9"
    "lQDX4raPBB6DcKWiIGNfNfwB+Ke3TKf5fKzehLQ==\n"
    "Prime1: 8rWcf5XoZFTdFYvhps/M6J55vNZe5Gc8deTH039J1JQ/2xhTZTnKidJDwirwS43s2AEx7S1i"
    "5QRyyVzUOmlAPy8Fup+PZdOfHdjxbqdCDdyWxgMTizpR23OyDA+KRr59wLtx5lNbKyQ9Dz8gYm5cYhDp"
    "EaZ84yymPROWwJ1h8V0=\n"
    "Prime2: 7wHIXWmH6Ip+8eRg9IKkXj7N84I0UVb75S8+Yk7XpcGzusoMKnEXL7/y/iQOgYlTUiQZ0q3V"
    "9Ii2iVFVNlet2Ao2xGRlomPTNRDfpTiRTZDduE65ptl+TRGwuNoUkxsrtHZS9lylr8JPQTjpsw+d00Dj"
    "8kXwqRW+yU9kGCrb8RM=\n"
    "Exponent1: iusGG0SrUhn8vONmkbrottBWL46nm6W3RmdfNJ/rm0ALWJUQzqSIV+BApjc7eJNQV8Y/V"
    "Fig/SJRrQ1z78bkXgXFCq9fPVImBchxT/tt5E85ATcrjYog5jHPW/XdGGbZxWHEbKeTTBse08Y2+//c4"
    "sh5DoAzhTe+IsE+jRrHv4U=\n"
    "Exponent2: 5h6VSDtfe+o9J7F4GHPgxk06BocK0HYruhKuwgCfaR0Da4k2BXc1l+f8ke0telM6QhA4P"
    "LzbD8LB3ZzNqrDo1OWgrZ7srFno9WL1siKw5DnjAJ3r6lXmYVXzDUgMH0c94Vc7sbCqZntzy5x8hsc2c"
    "jw8PPxSJrqlIzapbQt3ELk=\n"
    "Coefficient: FM00+LPSlp7gyZqniVdRC9EYt77iAWO6CIRIhgl9RU1aoals5WI3Biu3q+GMj09me6C"
    "rRk18QUkivzzspPTy3mS6+CtdsynsPL2UawHanNO9Ks+OTqRaVeokTL35AydxPr+KI0TyvULa0QzVZ4/"
    "jE5vUxpJzOylD6NXvvQ2fquA=\n"};

inline std::shared_ptr<const dns::SigningKey> signing_key(const KeyText& text) {
  const app::PublicKeyText half = app::read_public_key(text.public_half, "K.key");
  unsigned algorithm = 0;
  const dns::PrivateKey other = app::read_private_key(text.private_half, "K.private", &algorithm);
  const auto key = dns::SigningKey::make(
      half.flags, half.algorithm,
      {reinterpret_cast<const std::uint8_t*>(half.key.data()), half.key.size()}, other);
  return key ? *key : nullptr;
}

}  // namespace clusterdns::unit
