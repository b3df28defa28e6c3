# One set of compiler flags for every target, and the helpers that make a library with its tests.
include(GoogleTest)

add_library(boldmill_flags INTERFACE)
target_include_directories(boldmill_flags INTERFACE ${PROJECT_SOURCE_DIR})
target_compile_options(
  boldmill_flags
  INTERFACE -march=x86-64-v3 -ffp-contract=fast -fno-math-errno -fno-trapping-math -Wall -Wextra -Wpedantic
            -Wconversion -Wshadow $<$<BOOL:${BOLDMILL_WERROR}>:-Werror>
            # Designated initialisers leave fields at their defaults on purpose. g++ 12 reports overlapping
            # copies in its own std::string operator+ (GCC bug 105651).
            -Wno-missing-field-initializers $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>)
target_compile_definitions(boldmill_flags INTERFACE BOLDMILL_CPU_LEVEL="x86-64-v3")
set(BOLDMILL_TEST_ENVIRONMENT "")
if(BOLDMILL_SANITIZE)
  # Any report ends the program, and the standard library checks indices and empty optionals.
  target_compile_options(boldmill_flags INTERFACE -fsanitize=${BOLDMILL_SANITIZE} -fno-sanitize-recover=all
                                                  -fno-omit-frame-pointer)
  target_compile_definitions(boldmill_flags INTERFACE _GLIBCXX_ASSERTIONS)
  target_link_options(boldmill_flags INTERFACE -fsanitize=${BOLDMILL_SANITIZE})
  set(BOLDMILL_TEST_ENVIRONMENT "LSAN_OPTIONS=suppressions=${PROJECT_SOURCE_DIR}/tests/support/lsan.supp"
                                "ASAN_OPTIONS=detect_stack_use_after_return=1:check_initialization_order=1")
endif()

# boldmill_library(<part> SOURCES a.cpp ... [DEPENDS other targets])  ->  target boldmill_<part>
function(boldmill_library part)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPENDS" ${ARGN})
  add_library(boldmill_${part} STATIC ${ARG_SOURCES})
  target_link_libraries(boldmill_${part} PUBLIC boldmill_flags ${ARG_DEPENDS})
endfunction()

# boldmill_tests(<part> SOURCES a_test.cpp ... [DEPENDS targets] [LABELS unit])  ->  boldmill_<part>_tests
function(boldmill_tests part)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPENDS;LABELS" ${ARGN})
  if(NOT ARG_LABELS)
    set(ARG_LABELS unit)
  endif()
  list(APPEND ARG_LABELS ${part})
  add_executable(boldmill_${part}_tests ${ARG_SOURCES})
  target_link_libraries(boldmill_${part}_tests PRIVATE boldmill_flags ${ARG_DEPENDS} GTest::gtest_main)
  target_compile_definitions(boldmill_${part}_tests PRIVATE BOLDMILL_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  gtest_discover_tests(boldmill_${part}_tests DISCOVERY_TIMEOUT 60 PROPERTIES LABELS "${ARG_LABELS}" TIMEOUT 600
                       ENVIRONMENT "${BOLDMILL_TEST_ENVIRONMENT}")
endfunction()
