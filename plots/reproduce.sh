# reproduce.sh OUT.csv - published curves and headlines, and what comes out. That
# some are outside their band is no failure of the figure.
set -e
$TLBEMU reproduce all -j 2 --progress never -o "$1" || [ $? = 1 ]
