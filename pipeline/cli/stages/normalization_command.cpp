// boldmill stage normalization T1W.nii.gz --template T.nii.gz --xfm OUT.h5 [--warped OUT.nii.gz]
#include <array>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "pipeline/cli/stage_command.hpp"
#include "pipeline/image_io/nifti.hpp"
#include "pipeline/store/hdf5.hpp"
#include "stages/anatomy/affine.hpp"
#include "stages/anatomy/brain_mask.hpp"
#include "stages/anatomy/normalization.hpp"
#include "stages/anatomy/template_mask.hpp"
#include "stages/core/interpolate.hpp"

namespace boldmill::cli {
namespace {

struct Options {
  std::string t1w;
  std::string mask;
  std::string brain;
  std::string template_brain_mask;
  std::string xfm;
  std::string warped;
  normalization::Params params;
};

// ITK's composite transform in HDF5 (LPS): holds the point map template to moving, which resamples
// the moving image onto the template, as a file from-T1w_to-template_mode-image does. ITK applies
// the last transform of the list first, so the affine comes before the field.
class ItkFile {
public:
  explicit ItkFile(const std::filesystem::path& path)
      : file_(path, store::File::Mode::create), root_(make_group("TransformGroup")) {
    put_text(file_.id(), "ITKVersion", "5.2.1");
    put_text(file_.id(), "HDFVersion", "1.10");
    put_text(file_.id(), "OSName", "Linux");
    put_text(file_.id(), "OSVersion", "");
  }

  void add(const std::string& type, const std::vector<double>& fixed,
           const std::vector<float>& parameters) {
    const std::string name = "TransformGroup/" + std::to_string(n_++);
    const store::Handle group = make_group(name);
    put_text(group.get(), "TransformType", type);
    if (fixed.empty()) return;
    put(group.get(), "TransformFixedParameters", H5T_NATIVE_DOUBLE, fixed.size(), fixed.data());
    put(group.get(), "TransformParameters", H5T_NATIVE_FLOAT, parameters.size(), parameters.data());
  }

  void close() {
    root_ = store::Handle();
    file_.close();
  }

private:
  store::Handle make_group(const std::string& name) {
    return file_.own(H5Gcreate2(file_.id(), name.c_str(), H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT),
                     name, "create group");
  }

  void put(hid_t where, const char* name, hid_t type, std::size_t n, const void* data) {
    const hsize_t size = n;
    const auto space = file_.own(H5Screate_simple(1, &size, nullptr), name, "make the size of");
    const auto set =
        file_.own(H5Dcreate2(where, name, type, space.get(), H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT),
                  name, "create");
    file_.check(H5Dwrite(set.get(), type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data), name, "write");
  }

  void put_text(hid_t where, const char* name, const std::string& text) {
    const auto type = file_.own(H5Tcopy(H5T_C_S1), name, "make the type of");
    file_.check(H5Tset_size(type.get(), H5T_VARIABLE), name, "make the type of");
    const char* const pointer = text.c_str();
    put(where, name, type.get(), 1, &pointer);
  }

  store::File file_;
  store::Handle root_;
  int n_ = 0;
};

void add_affine_to(ItkFile& file, const Affine& ras) {
  const Eigen::Vector4d flip(-1.0, -1.0, 1.0, 1.0);
  const Affine map = flip.asDiagonal() * ras * flip.asDiagonal();
  std::vector<float> parameters;
  for (int i = 0; i < 3; ++i) {
    for (int j = 0; j < 3; ++j) parameters.push_back(static_cast<float>(map(i, j)));
  }
  for (int i = 0; i < 3; ++i) parameters.push_back(static_cast<float>(map(i, 3)));
  file.add("AffineTransform_float_3_3", {0.0, 0.0, 0.0}, parameters);
}

void add_field_to(ItkFile& file, const DisplacementField& field) {
  const Eigen::Vector3d spacing = field.grid.spacing_mm();
  std::vector<double> fixed;
  for (const int n : field.grid.shape) fixed.push_back(n);
  constexpr std::array<double, 3> kFlip{-1.0, -1.0, 1.0};
  for (int i = 0; i < 3; ++i) {
    fixed.push_back(kFlip[static_cast<std::size_t>(i)] * field.grid.affine(i, 3));
  }
  for (int i = 0; i < 3; ++i) fixed.push_back(spacing[i]);
  for (int i = 0; i < 3; ++i) {
    for (int j = 0; j < 3; ++j) {
      fixed.push_back(kFlip[static_cast<std::size_t>(i)] * field.grid.affine(i, j) / spacing[j]);
    }
  }
  std::vector<float> vectors = field.mm;
  for (std::size_t v = 0; v < vectors.size(); ++v) {
    if (v % 3 != 2) vectors[v] = -vectors[v];
  }
  file.add("DisplacementFieldTransform_float_3_3", fixed, vectors);
}

void write_xfm(const std::string& path, const PointMap& template_to_moving) {
  const store::Hdf5Lock lock;
  store::PartFile part(path);
  ItkFile file(part.part());
  file.add("CompositeTransform_float_3_3", {}, {});
  for (std::size_t n = template_to_moving.steps.size(); n-- > 0;) {
    const PointMap::Step& step = template_to_moving.steps[n];
    if (const auto* affine = std::get_if<Affine>(&step)) {
      add_affine_to(file, *affine);
    } else {
      add_field_to(file, *std::get<1>(step));
    }
  }
  file.close();
  part.publish();
}

void run_normalization(const Options& options) {
  const Context context = process_context();
  const Volume t1w = image_io::read_volume(options.t1w);
  const Volume brain = image_io::read_volume(options.brain);
  const Mask template_brain = options.template_brain_mask.empty()
                                  ? template_mask(brain, context)
                                  : image_io::read_mask(options.template_brain_mask);
  const auto fit = affine::run({t1w, brain, template_brain}, affine::Params{}, context);
  const Mask mask =
      options.mask.empty()
          ? brain_mask::run({t1w, brain, template_brain, fit.t1w_to_template}, {}, context).mask
          : image_io::read_mask(options.mask);
  const auto out = normalization::run({t1w, mask, brain, template_brain, fit.t1w_to_template},
                                      options.params, context);
  std::cout << "dice " << out.dice << ", correlation " << out.correlation << ", jacobian "
            << out.min_jacobian << " to " << out.max_jacobian << ", displacement "
            << out.max_displacement_mm << " mm\n";
  if (!out.converged) std::cerr << "note: the last level used all its iterations\n";
  write_xfm(options.xfm, out.template_to_moving);
  if (!options.warped.empty()) {
    image_io::write_volume(options.warped, resample(t1w, brain.grid, out.template_to_moving,
                                                    Interpolation::cubic_bspline, context));
  }
}

} // namespace

void add_normalization(CLI::App& stage_app) {
  const auto options = std::make_shared<Options>();
  CLI::App* app = stage_app.add_subcommand(std::string(normalization::kStage.name),
                                           std::string(normalization::kStage.summary));
  app->add_option("t1w", options->t1w, "image to normalise, bias-corrected")->required();
  app->add_option("--template", options->brain, "brain-only template")->required();
  app->add_option("--xfm", options->xfm, "ITK composite transform to write (.h5)")->required();
  app->add_option("--mask", options->mask, "brain mask of the image [from the template]");
  app->add_option("--template-mask", options->template_brain_mask,
                  "brain mask of the template [from the template]");
  app->add_option("--warped", options->warped, "image on the template's grid to write");
  add_params(*app, options->params);
  app->callback([options] { run_normalization(*options); });
}

} // namespace boldmill::cli
