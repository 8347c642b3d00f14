%% Evaluated inside ejabberd once it has started: makes the accounts u<FROM>..u<TO - 1>, then tells its version in a file.
Number = fun(Name) -> list_to_integer(os:getenv(Name)) end,
Make = fun(N) ->
    ok = ejabberd_auth:try_register(<<"u", (integer_to_binary(N))/binary>>, <<"localhost">>, <<"secret">>)
end,
lists:foreach(Make, lists:seq(Number("PEER_FROM"), Number("PEER_TO") - 1)),
dumped = mnesia:dump_log(),
ok = dets:sync(passwd),  % the table of accounts is a dets file, which is written late
{ok, Version} = application:get_key(ejabberd, vsn),
ok = file:write_file(os:getenv("PEER_READY"), Version).
