# A place to try safe_merge.yaml: `sh make_repository.sh FOLDER` makes a clone, FOLDER/clone, and
# its remote, FOLDER/remote.git. Somebody has pushed to `main` since the clone last looked.
#
#   topic      can be merged
#   conflict   changes the line that was changed on the remote
set -eu
mkdir -p "$1"
cd "$1"

git init --quiet --bare --initial-branch=main remote.git
git clone --quiet remote.git clone 2>/dev/null # warns that there is nothing in it
cd clone
git symbolic-ref HEAD refs/heads/main

commit() { # FILE TEXT
    echo "$2" >"$1"
    git add "$1"
    git commit --quiet --message="$2"
}

commit notes "the first line"
printf '\000\377\r\n' >picture # no text
git add picture
git commit --quiet --message="a picture"
git push --quiet origin main

git checkout --quiet -b conflict
commit notes "a line of ours"
git checkout --quiet -b topic main
commit feature "a feature"
git checkout --quiet main
commit notes "a line of theirs"
git push --quiet origin main
git reset --quiet --hard HEAD^
git update-ref refs/remotes/origin/main HEAD # as if it had not seen it yet
