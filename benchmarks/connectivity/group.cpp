// group_connectivity SERIES N T R OUT: Ledoit-Wolf correlation and tangent space of N people.
// SERIES: float32, person after person, region after region, T volumes each. People are read from
// the file once a pass. OUT: float64, the geometric mean, then the tangent matrices and the shrunk
// correlations of the first 20 people. Prints seconds and the peak memory.
#include <sys/resource.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <fstream>
#include <unistd.h>
#include <vector>

#include "stages/connectivity/connectivity_matrix.hpp"
#include "stages/connectivity/tangent.hpp"
#include "stages/core/parallel.hpp"

namespace {

using namespace boldmill;
constexpr std::size_t kSaved = 20;

double wall_s() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double cpu_s() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

void report(const char* what, double wall_start, double cpu_start) {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  std::printf("%s wall %.3f cpu %.3f peak_mb %.0f\n", what, wall_s() - wall_start,
              cpu_s() - cpu_start, static_cast<double>(usage.ru_maxrss) / 1024.0);
  std::fflush(stdout);
}

} // namespace

int main(int argc, char** argv) {
  if (argc != 6) {
    std::fprintf(stderr, "usage: group_connectivity SERIES N T R OUT\n");
    return 2;
  }
  const auto n = static_cast<std::size_t>(std::atoi(argv[2]));
  const Eigen::Index n_volumes = std::atoi(argv[3]);
  const Eigen::Index n_regions = std::atoi(argv[4]);
  const int file = open(argv[1], O_RDONLY);
  if (file < 0) return 2;
  const auto bytes = static_cast<std::size_t>(n_volumes * n_regions) * sizeof(float);
  const auto read = [&](std::size_t k, Eigen::MatrixXf& series) {
    series.resize(n_volumes, n_regions);
    if (pread(file, series.data(), bytes, static_cast<off_t>(k * bytes)) !=
        static_cast<ssize_t>(bytes)) {
      throw Error(ErrorKind::input, "the file is shorter than N x T x R values");
    }
  };
  const Context context;
  std::vector<Eigen::MatrixXd> correlations(kSaved), tangents(kSaved);

  double wall = wall_s(), cpu = cpu_s();
  connectivity_matrix::Params shrunk;
  shrunk.kind = "ledoit_wolf";
  parallel_blocks(context, n, 1, [&](std::size_t k, std::size_t) {
    Eigen::MatrixXf series;
    read(k, series);
    const auto out =
        connectivity_matrix::run({{series.data(), n_volumes, n_regions}, {}}, shrunk, context);
    if (k < kSaved) correlations[k] = out.matrix;
  });
  report("ledoit_wolf", wall, cpu);

  wall = wall_s();
  cpu = cpu_s();
  const tangent::People people{
      n, [&](std::size_t k, tangent::Person& person) { read(k, person.series); }};
  const tangent::Model model = tangent::fit(people, {}, context);
  tangent::apply(
      model, people, {},
      [&](std::size_t k, const Eigen::MatrixXd& d) {
        if (k < kSaved) tangents[k] = d;
      },
      context);
  report("tangent", wall, cpu);
  std::printf("iterations %d converged %d gradient %.3g\n", model.iterations,
              model.converged ? 1 : 0, model.gradient);

  std::ofstream out(argv[5], std::ios::binary);
  const auto write = [&](const Eigen::MatrixXd& m) {
    out.write(reinterpret_cast<const char*>(m.data()),
              static_cast<std::streamsize>(static_cast<std::size_t>(m.size()) * sizeof(double)));
  };
  write(model.mean);
  for (std::size_t k = 0; k < std::min(kSaved, n); ++k) write(tangents[k]);
  for (std::size_t k = 0; k < std::min(kSaved, n); ++k) write(correlations[k]);
  return out ? 0 : 1;
}
