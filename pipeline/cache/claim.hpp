// Who works on what when several processes share one output folder, without the locks that file
// systems of clusters lack. A claim is a file that only one process can make; its owner renews it
// while it lives. A claim whose owner died ends at once on the owner's machine, and elsewhere when
// it was not renewed for `lease_s`. Claims save work, they do not guard data: two owners at once
// (a machine that hung longer than the lease) make the same bytes twice, and outputs appear by
// rename.
#pragma once

#include <condition_variable>
#include <filesystem>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace boldmill::cache {

inline constexpr double kLeaseS = 180.0;

// A process, as others see it: "host boot namespace pid start".
[[nodiscard]] std::string process_identity();

enum class Life { alive, dead, unknown }; // unknown: of another machine
[[nodiscard]] Life life_of(std::string_view identity);
// alive, or of another machine and renewed within the lease. `age_s`: since the file was renewed.
[[nodiscard]] bool is_alive(std::string_view identity, double age_s, double lease_s = kLeaseS);
// The first word of an identity: the machine's name.
[[nodiscard]] std::string host_of(std::string_view identity);

struct Claim {
  std::string name;
  std::string identity;
  double age_s = 0.0; // since it was renewed, by this machine's clock
};
// Claims in `folder`, by name; empty when there is none. Reads only.
[[nodiscard]] std::vector<Claim> list_claims(const std::filesystem::path& folder);

// The claims of one process. Thread-safe. The destructor gives all back.
class Claims {
public:
  // Makes the folder and removes the claims of dead processes. Error{disk}.
  explicit Claims(std::filesystem::path folder, double lease_s = kLeaseS);
  ~Claims();
  Claims(const Claims&) = delete;
  Claims& operator=(const Claims&) = delete;

  // True when the name is ours now; false when a living process holds it. Error{disk}.
  [[nodiscard]] bool take(const std::string& name);
  // Whether take() would be refused, without taking.
  [[nodiscard]] bool held_elsewhere(const std::string& name) const;
  void release(const std::string& name);
  // `file` is renewed with the claims, so that others see its owner alive.
  void renew_also(const std::filesystem::path& file);

private:
  struct Found {
    std::string text;
    double age_s = 0.0;
  };
  [[nodiscard]] std::filesystem::path path_of(const std::string& name) const;
  [[nodiscard]] bool make(const std::filesystem::path& path, const std::string& text,
                          double& now_s) const;
  [[nodiscard]] bool remove_stale(const std::filesystem::path& path, const std::string& text) const;
  void renew();

  std::filesystem::path folder_;
  double lease_s_;
  mutable std::mutex mutex_;
  std::condition_variable ended_;
  bool end_ = false;
  std::map<std::string, std::string> held_; // name -> text of the file
  std::vector<std::filesystem::path> also_;
  std::jthread renewing_;
};

} // namespace boldmill::cache
