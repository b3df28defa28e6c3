// glm_benchmark SERIES T P DESIGN K CONTRASTS C TR NOISE OUT: first-level model of a series in
// memory. SERIES: float32, column after column of T values. DESIGN: float64, T x K, column after
// column. CONTRASTS: float64, C x K, row after row. OUT: float32, effect, variance, t and z of each
// contrast. Prints the seconds of the model alone and the peak memory.
#include <sys/resource.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "stages/task/glm.hpp"

int main(int argc, char** argv) {
  using namespace boldmill;
  if (argc != 11) {
    std::fprintf(stderr, "usage: glm_benchmark SERIES T P DESIGN K CONTRASTS C TR NOISE OUT\n");
    return 2;
  }
  const Eigen::Index n_volumes = std::atol(argv[2]);
  const Eigen::Index n_columns = std::atol(argv[3]);
  const Eigen::Index n_regressors = std::atol(argv[5]);
  const Eigen::Index n_contrasts = std::atol(argv[7]);
  const auto read = [](const char* path, void* data, Eigen::Index bytes) {
    std::ifstream file(path, std::ios::binary);
    if (!file.read(static_cast<char*>(data), bytes)) {
      std::fprintf(stderr, "%s is too short\n", path);
      std::exit(2);
    }
  };
  Eigen::MatrixXf series(n_volumes, n_columns);
  read(argv[1], series.data(), series.size() * 4);
  Eigen::MatrixXd design(n_volumes, n_regressors);
  read(argv[4], design.data(), design.size() * 8);
  Eigen::MatrixXd weights(n_regressors, n_contrasts); // a column per contrast
  read(argv[6], weights.data(), weights.size() * 8);
  std::vector<Contrast> contrasts;
  for (Eigen::Index c = 0; c < n_contrasts; ++c) {
    contrasts.push_back({"contrast " + std::to_string(c), weights.col(c).transpose()});
  }
  glm::Params params;
  params.noise = argv[9];
  const auto start = std::chrono::steady_clock::now();
  const glm::Outputs out = glm::run({.series = {series.data(), n_volumes, n_columns},
                                     .design = &design,
                                     .tr_s = std::atof(argv[8]),
                                     .contrasts = contrasts},
                                    params, Context{});
  const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - start;
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  std::printf("wall %.3f peak_mb %.0f models %d\n", wall.count(),
              static_cast<double>(usage.ru_maxrss) / 1024.0, out.n_models);
  std::ofstream file(argv[10], std::ios::binary);
  for (const glm::ContrastResult& result : out.contrasts) {
    for (const Eigen::VectorXf* map : {&result.effect, &result.variance, &result.stat, &result.z}) {
      file.write(reinterpret_cast<const char*>(map->data()), map->size() * 4);
    }
  }
  return file.good() ? 0 : 4;
}
