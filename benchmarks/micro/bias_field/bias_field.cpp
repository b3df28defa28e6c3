// The field of one T1w image by our N4 and by ITK's, on the same coarse image and head:
//   bias_field_benchmark T1W.nii.gz [working spacing in mm] [threads] [ours|itk|both]
// Agreement over the head first, then wall and CPU seconds (best of 3; of 1 for ITK) and the peak
// resident memory of the process so far (compare it between runs with one program each).
#include <sys/resource.h>
#include <tbb/global_control.h>

#include <chrono>
#include <cmath>
#include <functional>
#include <iostream>
#include <string>

#include "pipeline/image_io/nifti.hpp"
#include "stages/anatomy/kernels/block_average.hpp"
#include "stages/anatomy/kernels/n4.hpp"
#include "stages/anatomy/kernels/otsu.hpp"
#include "stages/anatomy/testing/itk_n4.hpp"
#include "stages/core/statistics.hpp"

namespace {

using namespace boldmill;

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

double peak_mb() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024.0;
}

std::vector<double> timed(const std::string& name, int repetitions, const Mask& head,
                          const std::function<Volume()>& body) {
  double wall = 1e30;
  double cpu = 1e30;
  Volume field;
  const double before = peak_mb();
  for (int r = 0; r < repetitions; ++r) {
    const auto start = std::chrono::steady_clock::now();
    const double cpu_start = cpu_seconds();
    field = body();
    cpu = std::min(cpu, cpu_seconds() - cpu_start);
    wall = std::min(
        wall, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  std::cout << name << ": wall " << wall << " s, CPU " << cpu << " s, peak memory " << before
            << " MB before, " << peak_mb() << " MB after\n";
  std::vector<double> values;
  for (const std::size_t v : indices_of(head)) values.push_back(static_cast<double>(field.data[v]));
  return values;
}

Volume ours(const Volume& image, const Mask& head, const anatomy::N4Settings& settings) {
  const auto found = anatomy::n4(image, head, settings, {});
  std::cout << "ours: " << found.iterations_done << " iterations, last change " << found.last_change
            << '\n';
  Volume out(image.grid);
  anatomy::evaluate(found.log_field, anatomy::basis_weights(found.log_field, image.grid.shape),
                    [&](std::size_t j, std::size_t k, const double* row) {
                      float* to = &out.at(0, static_cast<int>(j), static_cast<int>(k));
                      std::transform(row, row + image.grid.shape[0], to,
                                     [](double value) { return static_cast<float>(value); });
                    },
                    {});
  return out;
}

int benchmark(const std::string& file, double spacing_mm, unsigned threads,
              const std::string& who) {
  tbb::global_control limit(tbb::global_control::max_allowed_parallelism, threads);
  Volume coarse;
  {
    const Volume image = image_io::read_volume(file);
    coarse = anatomy::block_average(image, spacing_mm, {});
  }
  const float threshold = anatomy::otsu_threshold(coarse.data);
  Mask head(coarse.grid);
  for (std::size_t v = 0; v < head.data.size(); ++v) head.data[v] = coarse.data[v] > threshold;
  anatomy::N4Settings settings;
  for (std::size_t a = 0; a < 3; ++a) {
    const double length = coarse.grid.shape[a] * coarse.grid.spacing_mm()[static_cast<int>(a)];
    settings.first_spans[a] = static_cast<int>(std::ceil(length / 200.0));
  }
  std::cout << coarse.data.size() << " voxels, " << count(head) << " in the head\n";
  std::vector<double> a;
  std::vector<double> b;
  if (who != "itk") a = timed("ours", 3, head, [&] { return ours(coarse, head, settings); });
  if (who != "ours") {
    b = timed("ITK", 1, head,
              [&] { return anatomy::testing::itk_n4_log_field(coarse, head, settings, threads); });
  }
  if (a.empty() || b.empty()) return 0;
  std::vector<double> difference(a.size());
  for (std::size_t v = 0; v < a.size(); ++v) difference[v] = a[v] - b[v];
  std::cout << "log fields: r " << pearson(a, b) << ", SD ours " << standard_deviation(a)
            << ", ITK " << standard_deviation(b) << ", difference "
            << standard_deviation(difference) << '\n';
  return 0;
}

} // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::cerr << "usage: bias_field_benchmark T1W.nii.gz [spacing_mm] [threads] [ours|itk|both]\n";
    return 2;
  }
  try {
    return benchmark(argv[1], argc > 2 ? std::stod(argv[2]) : 2.0,
                     argc > 3 ? static_cast<unsigned>(std::stoul(argv[3])) : 1U,
                     argc > 4 ? argv[4] : "both");
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
}
