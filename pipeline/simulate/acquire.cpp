#include "pipeline/simulate/acquire.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numbers>

#include "pipeline/simulate/sampling.hpp"
#include "stages/core/parallel.hpp"

namespace boldmill::simulate {
namespace {

constexpr int kChunk = 16;
constexpr int kBackgrounds = 8;

// What changes the signal smoothly: patterns over active voxels and time courses.
struct Modulation {
  std::vector<std::array<float, kBackgrounds>> background; // per active voxel, grey-weighted
  std::vector<float> drift, breathing, receive;            // per active voxel
  std::vector<Signal> background_course;
  Signal global_course, drift_course, cardiac_rate;
  double cardiac_phase = 0.0, breathing_phase = 0.0;
};

Modulation make_modulation(const RunInputs& in, double duration_s) {
  Random random(in.seed);
  Modulation m;
  const Phantom& p = in.phantom;
  std::vector<Waves> patterns;
  for (int b = 0; b < kBackgrounds; ++b) {
    patterns.emplace_back(35.0, 90.0, 10, random);
    m.background_course.push_back(synthesize({0.008, 0.2, 0.5}, 0.0, duration_s, random));
  }
  const Waves drift(150.0, 400.0, 5, random);
  const Waves breathing(120.0, 300.0, 5, random);
  Random of_coil(in.coil_seed);
  const Waves receive(180.0, 400.0, 5, of_coil);
  m.global_course = synthesize({0.008, 0.1, 0.8}, 0.0, duration_s, random);
  m.drift_course = synthesize({1.0 / (2.2 * duration_s), 0.004, 1.0}, 0.0, duration_s, random);
  m.cardiac_rate = synthesize({0.02, 0.1, 0.0}, 0.0, duration_s, random);
  m.cardiac_phase = random.uniform(0.0, 6.28);
  m.breathing_phase = random.uniform(0.0, 6.28);
  const double share = 1.0 / std::sqrt(static_cast<double>(kBackgrounds));
  for (std::size_t a = 0; a < p.active.size(); ++a) {
    const std::array<int, 3> ijk = p.bold.coordinates(p.active[a]);
    const Eigen::Vector3d mm = p.bold.to_mm(Eigen::Vector3d(ijk[0], ijk[1], ijk[2]));
    std::array<float, kBackgrounds> weight{};
    for (std::size_t b = 0; b < kBackgrounds && p.grey[a] > 0.05F; ++b) {
      weight[b] = static_cast<float>(share * patterns[b].at(mm)) * p.grey[a];
    }
    m.background.push_back(weight);
    m.drift.push_back(static_cast<float>(drift.at(mm)));
    m.breathing.push_back(static_cast<float>(breathing.at(mm)));
    m.receive.push_back(static_cast<float>(std::exp(0.12 * receive.at(mm))));
  }
  return m;
}

// Copies the planes [first, last] of the phantom as they are at one moment into `work`, which keeps
// the phantom's shape: only these planes are valid.
void compose(const Phantom& p, bool active_sources, const float* percent, int first, int last,
             std::vector<float>& work) {
  const auto plane = static_cast<std::size_t>(p.fine.shape[0] * p.fine.shape[1]);
  const std::vector<float>& base = active_sources ? p.gradient_echo : p.spin_echo;
  for (int k = first; k <= last; ++k) {
    const std::size_t offset = static_cast<std::size_t>(k) * plane;
    std::memcpy(work.data() + offset, base.data() + offset, plane * sizeof(float));
    if (!active_sources) continue;
    float* out = work.data() + offset;
    for (const SourceEntry& e : p.sources[static_cast<std::size_t>(k)]) {
      out[e.in_plane] += 0.01F * percent[e.source] * e.value;
    }
  }
}

// Linear interpolation of the interleaved warp; the nearest lattice point outside.
std::array<double, 2> warp_at(const Warp& warp, const std::array<int, 3>& shape,
                              const Eigen::Vector3d& at) {
  std::array<std::size_t, 3> base{};
  std::array<double, 3> w{};
  for (std::size_t a = 0; a < 3; ++a) {
    const double x = std::clamp(at[static_cast<int>(a)], 0.0, shape[a] - 1.001);
    base[a] = static_cast<std::size_t>(x);
    w[a] = x - static_cast<double>(base[a]);
  }
  const auto nx = static_cast<std::size_t>(shape[0]);
  const auto ny = static_cast<std::size_t>(shape[1]);
  std::array<double, 2> sum{};
  for (std::size_t corner = 0; corner < 8; ++corner) {
    const std::size_t dx = corner & 1U;
    const std::size_t dy = (corner >> 1U) & 1U;
    const std::size_t dz = corner >> 2U;
    const double weight =
        (dx != 0 ? w[0] : 1 - w[0]) * (dy != 0 ? w[1] : 1 - w[1]) * (dz != 0 ? w[2] : 1 - w[2]);
    const float* v = warp.shift_and_factor.data() +
                     2 * (((base[2] + dz) * ny + base[1] + dy) * nx + base[0] + dx);
    sum[0] += weight * static_cast<double>(v[0]);
    sum[1] += weight * static_cast<double>(v[1]);
  }
  return sum;
}

// Magnitude of a complex signal with Gaussian noise in both channels.
float magnitude(double signal, double sigma, Random& random) {
  if (signal > 8.0 * sigma) { // the second channel only lifts the mean by sigma^2 / 2S
    return static_cast<float>(signal + sigma * random.normal() +
                              (sigma > 0.0 ? 0.5 * sigma * sigma / signal : 0.0));
  }
  const double real = signal + sigma * random.normal();
  const double imaginary = sigma * random.normal();
  return static_cast<float>(std::sqrt(real * real + imaginary * imaginary));
}

struct Courses { // everything temporal at one slice's moment
  std::array<float, kSources> source{};
  std::array<float, kBackgrounds> background{};
  double global = 0, drift = 0, cardiac = 0, breathing = 0, approach = 0;
};

class Scanner {
public:
  Scanner(const RunInputs& in, double duration_s)
      : in_(in), p_(in.phantom), modulation_(make_modulation(in, duration_s)),
        warp_(in.phase_positive ? p_.positive : p_.negative),
        sigma_(0.01 * in.noise.factor * in.noise.thermal_percent * in.site.noise_factor *
               p_.mean_signal) {}

  void volume(int t, std::vector<float>& work, float* out) const {
    Random random(stream_seed(in_.seed, "thermal", std::to_string(t)));
    const double gain = in_.site.gain / p_.mean_signal;
    for (int k = 0; k < p_.bold.shape[2]; ++k) slice(t, k, work, out);
    std::size_t next = 0;
    for (std::size_t v = 0; v < p_.bold.n_voxels(); ++v) {
      const bool active = next < p_.active.size() && p_.active[next] == v;
      const double signal = active ? static_cast<double>(out[v]) : 0.0;
      if (active) ++next;
      out[v] = static_cast<float>(gain) * magnitude(signal, sigma_, random);
    }
  }

private:
  [[nodiscard]] Courses courses(int t, double time_s) const {
    Courses c;
    if (in_.signals == nullptr) return c;
    in_.signals->at(time_s, c.source.data());
    const double unit = 0.01 * in_.noise.factor;
    for (std::size_t b = 0; b < kBackgrounds; ++b) {
      c.background[b] = static_cast<float>(unit * in_.noise.background_percent *
                                           modulation_.background_course[b].at(time_s));
    }
    const double cycle = 2.0 * std::numbers::pi;
    c.global = unit * in_.noise.global_percent * modulation_.global_course.at(time_s);
    c.drift = unit * in_.noise.drift_percent * modulation_.drift_course.at(time_s);
    c.cardiac = unit * in_.noise.cardiac_percent *
                std::sin(cycle * in_.person.cardiac_hz * time_s + modulation_.cardiac_phase +
                         1.5 * modulation_.cardiac_rate.at(time_s));
    c.breathing = unit * in_.noise.breathing_percent *
                  std::sin(cycle * in_.person.breathing_hz * time_s + modulation_.breathing_phase);
    if (t < in_.dummy_scans) c.approach = 0.7 * std::pow(0.35, t);
    return c;
  }

  void slice(int t, int k, std::vector<float>& work, float* out) const {
    const auto ks = static_cast<std::size_t>(k);
    const std::size_t begin = p_.slice_begin[ks];
    const std::size_t end = p_.slice_begin[ks + 1];
    if (begin == end) return;
    const double time_s = t * in_.site.tr_s + in_.site.slice_times_s[ks];
    const Courses c = courses(t, time_s);
    const auto ts = static_cast<std::size_t>(t);
    const Affine& pose = in_.poses.per_slice ? in_.poses.slice[ts][ks] : in_.poses.volume[ts];
    const Affine to_fine = p_.fine.affine.inverse() * pose.inverse() * p_.bold.affine;
    const std::array<int, 2> planes = plane_range(to_fine, k);
    compose(p_, in_.signals != nullptr, c.source.data(), planes[0], planes[1], work);
    // One lattice step along the phase-encoding axis of the scanner, seen from the head.
    const Eigen::Vector3d step = to_fine.block<3, 1>(0, 1) / kFine;
    for (std::size_t a = begin; a < end; ++a) {
      const std::array<int, 3> ijk = p_.bold.coordinates(p_.active[a]);
      Eigen::Vector3d at = to_fine.topLeftCorner<3, 3>() * Eigen::Vector3d(ijk[0], ijk[1], ijk[2]) +
                           to_fine.topRightCorner<3, 1>();
      double factor = 1.0;
      if (!warp_.shift_and_factor.empty()) {
        const std::array<double, 2> w = warp_at(warp_, p_.fine.shape, at);
        at -= w[0] * step;
        factor = w[1];
      }
      const auto tissue =
          static_cast<double>(sample_lanczos(work.data(), p_.fine.shape, at[0], at[1], at[2]));
      out[p_.active[a]] = static_cast<float>(
          std::max(0.0, tissue * factor * static_cast<double>(modulation_.receive[a]) *
                            (1.0 + physiology(c, a))));
    }
  }

  [[nodiscard]] double physiology(const Courses& c, std::size_t a) const {
    if (in_.signals == nullptr) return 0.0;
    float background = 0.0F;
    for (std::size_t b = 0; b < kBackgrounds; ++b) {
      background += c.background[b] * modulation_.background[a][b];
    }
    const auto grey = static_cast<double>(p_.grey[a]);
    const auto csf = static_cast<double>(p_.csf[a]);
    return static_cast<double>(background) + c.global * static_cast<double>(p_.brain[a]) +
           c.drift * static_cast<double>(modulation_.drift[a]) + c.cardiac * (csf + 0.125 * grey) +
           c.breathing * static_cast<double>(modulation_.breathing[a]) + c.approach * (1.0 + csf);
  }

  // Lattice planes that this slice can touch, kernel included.
  [[nodiscard]] std::array<int, 2> plane_range(const Affine& to_fine, int k) const {
    double low = 1e9;
    double high = -1e9;
    for (int corner = 0; corner < 4; ++corner) {
      const double i = (corner & 1) != 0 ? p_.bold.shape[0] - 1 : 0;
      const double j = (corner & 2) != 0 ? p_.bold.shape[1] - 1 : 0;
      const double z = to_fine(2, 0) * i + to_fine(2, 1) * j + to_fine(2, 2) * k + to_fine(2, 3);
      low = std::min(low, z);
      high = std::max(high, z);
    }
    return {std::clamp(static_cast<int>(std::floor(low)) - 3, 0, p_.fine.shape[2] - 1),
            std::clamp(static_cast<int>(std::ceil(high)) + 4, 0, p_.fine.shape[2] - 1)};
  }

  const RunInputs& in_;
  const Phantom& p_;
  Modulation modulation_;
  const Warp& warp_;
  double sigma_;
};

} // namespace

void acquire(const RunInputs& inputs, const VolumeSink& sink, const Context& context) {
  const auto n_volumes = static_cast<int>(inputs.poses.volume.size());
  const Scanner scanner(inputs, n_volumes * inputs.site.tr_s);
  const std::size_t n_voxels = inputs.phantom.bold.n_voxels();
  for (int first = 0; first < n_volumes; first += kChunk) {
    const int n = std::min(kChunk, n_volumes - first);
    std::vector<float> block(static_cast<std::size_t>(n) * n_voxels, 0.0F);
    parallel_blocks(
        context, static_cast<std::size_t>(n), 4, [&](std::size_t begin, std::size_t end) {
          std::vector<float> work(inputs.phantom.fine.n_voxels());
          for (std::size_t t = begin; t < end; ++t) {
            scanner.volume(first + static_cast<int>(t), work, block.data() + t * n_voxels);
          }
        });
    for (std::size_t t = 0; t < static_cast<std::size_t>(n); ++t) {
      sink(std::span<const float>(block.data() + t * n_voxels, n_voxels));
    }
  }
}

} // namespace boldmill::simulate
