// Shards: written, read back, refused.
#include <gtest/gtest.h>
#include <hdf5.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <csignal>
#include <fstream>
#include <functional>

#include "pipeline/store/example_cohort.hpp"
#include "pipeline/store/netcdf.hpp"
#include "pipeline/store/shard.hpp"
#include "pipeline/store/test_folder.hpp"

namespace boldmill::store {
namespace {

namespace fs = std::filesystem;

template <class Matrix>
bool same_bits(const Matrix& a, const Matrix& b) {
  if (a.rows() != b.rows() || a.cols() != b.cols()) return false;
  for (Eigen::Index i = 0; i < a.size(); ++i) {
    const auto x = a.reshaped()[i];
    const auto y = b.reshaped()[i];
    if (x != y && !(std::isnan(x) && std::isnan(y))) return false;
  }
  return true;
}

bool same_value(double a, double b) { return a == b || (std::isnan(a) && std::isnan(b)); }

void expect_same_run(const RunRecord& a, const RunRecord& b) {
  EXPECT_EQ(a.run_id, b.run_id);
  EXPECT_EQ(a.reason, b.reason);
  EXPECT_EQ(a.n_kept, b.n_kept);
  EXPECT_EQ(a.tr_s, b.tr_s);
  EXPECT_TRUE(same_value(a.norm_dice, b.norm_dice));
  EXPECT_EQ(a.kept, b.kept);
  EXPECT_EQ(a.confound_names, b.confound_names);
  EXPECT_TRUE(same_bits(a.confounds, b.confounds));
  ASSERT_EQ(a.series.size(), b.series.size());
  for (const auto& [atlas, series] : a.series) {
    ASSERT_TRUE(b.series.contains(atlas)) << atlas;
    EXPECT_TRUE(same_bits(series.values, b.series.at(atlas).values)) << atlas;
    EXPECT_TRUE(same_bits(series.denoised, b.series.at(atlas).denoised)) << atlas;
    EXPECT_EQ(series.coverage, b.series.at(atlas).coverage);
  }
}

TEST(Shard, RoundTripKeepsEverything) {
  const TestFolder folder;
  const CohortHeader header = example::header();
  const PersonRecord person = example::person(1, header);
  write_shard(folder.path() / "sub-0001" / "sub-0001.h5", header, person);
  const auto [found_header, found] = read_shard(folder.path() / "sub-0001" / "sub-0001.h5");

  EXPECT_EQ(header_difference(found_header, header), "");
  EXPECT_EQ(found_header.command, header.command);
  EXPECT_EQ(found.participant_id, person.participant_id);
  EXPECT_EQ(found.session_id, "ses-a");
  EXPECT_EQ(found.columns, person.columns); // hostile names and "" among them
  EXPECT_EQ(found.source, person.source);
  ASSERT_EQ(found.runs.size(), person.runs.size());
  for (std::size_t r = 0; r < person.runs.size(); ++r) {
    expect_same_run(person.runs[r], found.runs[r]);
  }
  ASSERT_EQ(found.measures.size(), person.measures.size());
  ASSERT_GT(person.error_correlation.size(), 0);
  EXPECT_EQ((found.error_correlation - person.error_correlation).norm(), 0.0F);
  for (std::size_t m = 0; m < person.measures.size(); ++m) {
    EXPECT_TRUE(same_value(found.measures[m].value, person.measures[m].value));
    EXPECT_TRUE(same_value(found.measures[m].se, person.measures[m].se));
    EXPECT_TRUE(same_value(found.measures[m].dof, person.measures[m].dof));
    EXPECT_TRUE(same_value(found.measures[m].half_difference, person.measures[m].half_difference));
    EXPECT_EQ(found.measures[m].reason, person.measures[m].reason);
  }
  ASSERT_EQ(found.connectivity.size(), person.connectivity.size());
  for (const ConnectivityRecord& record : person.connectivity) {
    const auto same =
        std::find_if(found.connectivity.begin(), found.connectivity.end(),
                     [&](const ConnectivityRecord& candidate) {
                       return candidate.atlas == record.atlas && candidate.kind == record.kind;
                     });
    ASSERT_NE(same, found.connectivity.end());
    EXPECT_EQ(same->edges, record.edges);
    EXPECT_EQ(same->n_volumes, record.n_volumes);
  }
  ASSERT_EQ(found.regional.size(), person.regional.size());
  for (const RegionalRecord& record : person.regional) {
    const auto same = std::find_if(
        found.regional.begin(), found.regional.end(), [&](const RegionalRecord& candidate) {
          return candidate.source == record.source && candidate.atlas == record.atlas &&
                 candidate.name == record.name;
        });
    ASSERT_NE(same, found.regional.end());
    EXPECT_EQ(same->per_region, record.per_region);
    EXPECT_EQ(same->values, record.values);
  }
  EXPECT_EQ(found.stages, person.stages);
  ASSERT_EQ(found.inputs.size(), 2U);
  EXPECT_EQ(found.inputs[1].bytes, 5'000'000'000ULL);
  ASSERT_EQ(found.resources.size(), 1U);
  EXPECT_EQ(found.resources[0].wall_s, person.resources[0].wall_s);
}

TEST(Shard, PersonWithoutARunKeepsTheReasons) {
  const TestFolder folder;
  const CohortHeader header = example::header();
  write_shard(folder.path() / "a.h5", header, example::person(3, header));
  const auto [_, found] = read_shard(folder.path() / "a.h5");
  EXPECT_TRUE(found.runs.empty());
  EXPECT_TRUE(found.connectivity.empty());
  EXPECT_EQ(found.measures.at(0).reason, "no run of task faces");
  EXPECT_TRUE(std::isnan(found.measures.at(0).value));
}

TEST(Shard, SameRecordsSameBytes) {
  const TestFolder folder;
  const CohortHeader header = example::header({.regions = 40, .volumes = 300});
  const PersonRecord person = example::person(1, header, {.regions = 40, .volumes = 300});
  write_shard(folder.path() / "a.h5", header, person);
  write_shard(folder.path() / "b.h5", header, person);
  EXPECT_EQ(folder.bytes("a.h5"), folder.bytes("b.h5"));
  EXPECT_EQ(folder.names(), (std::vector<std::string>{"a.h5", "b.h5"})); // no part file stays
}

TEST(Shard, TwoNamesThatBecomeOneAreAUsageError) {
  const TestFolder folder;
  CohortHeader header = example::header();
  header.participant_columns = {"a b", "a_b"};
  EXPECT_EQ(
      error_kind([&] { write_shard(folder.path() / "a.h5", header, example::person(1, header)); }),
      ErrorKind::usage);
  header.participant_columns = {"row"};
  EXPECT_EQ(
      error_kind([&] { write_shard(folder.path() / "a.h5", header, example::person(1, header)); }),
      ErrorKind::usage);
  EXPECT_TRUE(folder.names().empty());
}

TEST(Shard, ShapesThatDisagreeAreInternalErrors) {
  const TestFolder folder;
  const CohortHeader header = example::header();
  PersonRecord person = example::person(1, header);
  person.runs[0].kept.pop_back();
  EXPECT_EQ(error_kind([&] { write_shard(folder.path() / "a.h5", header, person); }),
            ErrorKind::internal);
  person = example::person(1, header);
  person.runs[0].series["circuits"].denoised.conservativeResize(3, Eigen::NoChange);
  EXPECT_EQ(error_kind([&] { write_shard(folder.path() / "a.h5", header, person); }),
            ErrorKind::internal);
  person = example::person(1, header);
  person.connectivity[0].edges.pop_back();
  EXPECT_EQ(error_kind([&] { write_shard(folder.path() / "a.h5", header, person); }),
            ErrorKind::internal);
  person = example::person(1, header);
  person.measures.pop_back();
  EXPECT_EQ(error_kind([&] { write_shard(folder.path() / "a.h5", header, person); }),
            ErrorKind::internal);
  EXPECT_TRUE(folder.names().empty());
}

TEST(Shard, DamagedFilesAreInputErrorsThatNameTheFile) {
  const TestFolder folder;
  const CohortHeader header = example::header();
  write_shard(folder.path() / "a.h5", header, example::person(1, header));
  const std::string bytes = folder.bytes("a.h5");
  folder.write("short.h5", bytes.substr(0, bytes.size() / 2));
  folder.write("text.h5", "not HDF5");
  folder.write("empty.h5", "");
  for (const char* name : {"short.h5", "text.h5", "empty.h5", "missing.h5"}) {
    const std::string message =
        error_message([&] { (void)read_shard(folder.path() / name); }, ErrorKind::input);
    EXPECT_NE(message.find(name), std::string::npos) << message;
  }
}

// Somebody edited the file, its seal is gone: parts of another shape are not read beyond their end.
TEST(Shard, PartsThatDoNotFitEachOtherAreInputErrors) {
  for (const char* name : {"/circuits/measures", "/circuits/measures_se", "/circuits/measures_dof",
                           "/circuits/measures_half_difference", "/circuits/measures_coverage",
                           "/circuits/missing_reason", "/connectivity/rest/circuits/n_volumes"}) {
    const TestFolder folder;
    const CohortHeader header = example::header();
    const auto path = folder.path() / "a.h5";
    write_shard(path, header, example::person(1, header));
    const hid_t file = H5Fopen(path.c_str(), H5F_ACC_RDWR, H5P_DEFAULT);
    ASSERT_GE(file, 0);
    ASSERT_GE(H5Ldelete(file, name, H5P_DEFAULT), 0) << name;
    const std::array<hsize_t, 2> shape{2, 1};
    const hid_t space = H5Screate_simple(2, shape.data(), nullptr);
    const hid_t edited =
        H5Dcreate2(file, name, H5T_NATIVE_INT32, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    ASSERT_GE(edited, 0) << name;
    H5Dclose(edited);
    H5Sclose(space);
    H5Fclose(file);
    try {
      (void)read_shard(path);
      ADD_FAILURE() << name << " was read";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::input) << name;
      EXPECT_NE(std::string(error.what()).find(name), std::string::npos) << error.what();
    }
  }
}

TEST(Shard, AnyFlippedBitIsRefused) {
  const TestFolder folder;
  const CohortHeader header = example::header();
  write_shard(folder.path() / "a.h5", header, example::person(1, header, {.runs = 1}));
  const std::string bytes = folder.bytes("a.h5");
  Random random(5);
  const std::size_t mark = bytes.size() - 32; // without it nothing is checked, and nothing is lost
  for (int i = 0; i < 400; ++i) {
    std::string damaged = bytes;
    const std::size_t at = random.below(bytes.size());
    damaged[at] = static_cast<char>(damaged[at] ^ (1 << random.below(8)));
    folder.write("b.h5", damaged);
    const bool in_mark = (at >= mark && at < mark + 15) || at + 1 == bytes.size();
    if (in_mark) {
      EXPECT_EQ(read_shard(folder.path() / "b.h5").second.participant_id,
                example::person(1, header).participant_id);
    } else {
      EXPECT_EQ(error_kind([&] { (void)read_shard(folder.path() / "b.h5"); }), ErrorKind::input)
          << at;
    }
  }
}

TEST(Shard, UnwritableFolderIsADiskError) {
  const TestFolder folder;
  folder.write("file", "x");
  const CohortHeader header = example::header();
  EXPECT_EQ(error_kind([&] {
              write_shard(folder.path() / "file" / "a.h5", header, example::person(1, header));
            }),
            ErrorKind::disk);
}

// In a child process whose files may not grow beyond `limit` bytes, as on a full disk.
int with_file_limit(rlim_t limit, const std::function<ErrorKind()>& body) {
  const pid_t child = ::fork();
  if (child == 0) {
    std::signal(SIGXFSZ, SIG_IGN);
    const struct rlimit limits {
      limit, limit
    };
    ::setrlimit(RLIMIT_FSIZE, &limits);
    ::_exit(static_cast<int>(body()));
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

TEST(Shard, FullDiskIsADiskErrorAtAnyByteAndLeavesNothing) {
  const TestFolder folder;
  const example::Sizes sizes{.regions = 30, .volumes = 200, .runs = 1};
  const CohortHeader header = example::header(sizes);
  const PersonRecord person = example::person(1, header, sizes);
  write_shard(folder.path() / "whole.h5", header, person);
  const std::size_t whole = folder.bytes("whole.h5").size();
  for (std::size_t limit = 0; limit < whole; limit += whole / 10 + 1) {
    const int kind = with_file_limit(limit, [&] {
      return error_kind([&] { write_shard(folder.path() / "a.h5", header, person); });
    });
    EXPECT_EQ(kind, static_cast<int>(ErrorKind::disk)) << limit << " of " << whole;
    EXPECT_EQ(folder.names(), std::vector<std::string>{"whole.h5"});
  }
}

TEST(Text, SafeNames) {
  EXPECT_EQ(safe_name("task-rest_run-1.a+b"), "task-rest_run-1.a+b");
  EXPECT_EQ(safe_name("<b>x</b>"), "_b_x__b_");
  EXPECT_EQ(safe_name("../x"), "_._x");
  EXPECT_EQ(safe_name("."), "_");
  EXPECT_EQ(safe_name(""), "_");
  EXPECT_EQ(safe_name("é"), "__");
  EXPECT_EQ(safe_name(std::string(500, 'a')).size(), 200U);
}

TEST(Text, InvalidUtf8BecomesReplacementCharacters) {
  EXPECT_EQ(clean_utf8("é 中 😀"), "é 中 😀");
  EXPECT_EQ(clean_utf8("a\xFF"), "a\xEF\xBF\xBD");
  EXPECT_EQ(clean_utf8("\xED\xA0\x80"), "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"); // a surrogate
  EXPECT_EQ(clean_utf8(std::string("a\0b", 3)), "a\xEF\xBF\xBD"
                                                "b");
  EXPECT_EQ(clean_utf8("\xC3"), "\xEF\xBF\xBD");
}

TEST(Storage, SmallIsContiguousAndChunksStayBelowAMebibyte) {
  EXPECT_TRUE(chunk_shape({100, 10}, 8).empty());
  EXPECT_EQ(chunk_shape({1000, 116}, 4), (std::vector<hsize_t>{1000, 116}));
  EXPECT_EQ(chunk_shape({1000, 6670}, 8), (std::vector<hsize_t>{19, 6670}));
  EXPECT_EQ(chunk_shape({3, 1'000'000}, 8), (std::vector<hsize_t>{1, 131072}));
  EXPECT_TRUE(chunk_shape({0, 1'000'000}, 8).empty());
}

TEST(Header, RegionsWithoutACentreAreTheSame) {
  CohortHeader header = example::header();
  header.atlases[0].x_mm[0] = std::nan(""); // of a surface
  EXPECT_EQ(header_difference(header, header), "");
  CohortHeader other = header;
  other.atlases[0].x_mm[0] = 1.0;
  EXPECT_NE(header_difference(header, other), "");
  EXPECT_NE(header_difference(other, header), "");
}

} // namespace
} // namespace boldmill::store
