#!/usr/bin/zsh -f
# complete.zsh FOLDER: a zsh as at a terminal, with the completions of FOLDER. For each line of its input it prints what Tab
# offers after that, a line each, and then a ".".
zmodload zsh/zpty
answers=$(mktemp -u)
mkfifo -m 0600 $answers
trap 'rm -f $answers' EXIT
export FOLDER=$1 answers
zpty shell zsh -f -i
zpty -w shell 'source '${0:A:h}/complete.rc
# The terminal echoes what is typed; nobody wants it.
drained() { while zpty -rt shell junk; do :; done }
exec {reply}<>$answers
read -r -u $reply ready
while IFS= read -r line; do
	zpty -w -n shell "$line"$'\t'
	while IFS= read -r -u $reply offered; do
		print -r -- "$offered"
		[[ $offered != . ]] || break
		drained
	done
	drained
done
