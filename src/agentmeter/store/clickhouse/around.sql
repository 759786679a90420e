arrayFold(
    (at, step_up) -> arrayMap(
        i -> if(i = 0, tuple('', at.2, at.3, at.4, at.5, at.6, at.7), tuple(
            above[i],
            if(at.2 = '' AND kinds[i] = 'agent', called[i], at.2),
            if(at.3 = '' AND kinds[i] = 'step', called[i], at.3),
            if(at.4 = '' AND kinds[i] = 'tool', called[i], at.4),
            if(at.5 = '' AND kinds[i] = 'branch', called[i], at.5),
            if(at.6 = '' AND kinds[i] != 'step', ids[i], at.6),
            if(at.6 = '' AND kinds[i] != 'step', called[i], at.7)
        )),
        [if(at.1 = '', 0, indexOf(ids, at.1))]
    )[1],
    range(length(ids)),
    tuple(parent_id, '', '', '', '', '', '')
)
