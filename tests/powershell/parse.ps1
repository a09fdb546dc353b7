# What the parser says of PowerShell files: parameters of functions, and what 5.1 does not have.
# One JSON object a file. Nothing is run.
param([Parameter(ValueFromRemainingArguments)] [string[]] $Path)
$newer = @{
    TernaryExpressionAst = 'a ternary'
    PipelineChainAst = '&& or ||'
}
$newTokens = 'QuestionQuestion', 'QuestionQuestionEquals', 'QuestionDot', 'QuestionLBracket', 'AndAnd', 'OrOr', 'Clean'
# Parameters and commands that Windows PowerShell 5.1 lacks.
$newParameters = @{
    'ConvertTo-Json' = 'AsArray', 'EnumsAsStrings', 'EscapeHandling'
    'ConvertFrom-Json' = 'AsHashtable', 'Depth', 'NoEnumerate', 'DateKind'
    'ForEach-Object' = 'Parallel', 'ThrottleLimit'
    'Get-Content' = 'AsByteStream'
    'Set-Content' = 'AsByteStream'
    'Join-Path' = 'AdditionalChildPath'
    'Split-Path' = 'LeafBase', 'Extension'
    'Start-Sleep' = , 'Duration'
}
$gone = 'Get-WmiObject', 'Invoke-WmiMethod', 'Set-WmiInstance', 'Get-Error', 'Join-String', 'Remove-Service', 'Get-Uptime', 'Test-Json'
# Proxies with fewer parameters hide these from a module in a restricted session.
$shadowed = 'Clear-Host', 'Exit-PSSession', 'Get-Command', 'Get-FormatData', 'Get-Help', 'Measure-Object', 'Out-Default', 'Select-Object'
foreach ($file in $Path) {
    $tokens = $errors = $null
    $tree = [System.Management.Automation.Language.Parser]::ParseFile($file, [ref] $tokens, [ref] $errors)
    $complaints = @($errors | ForEach-Object { $_.ErrorId })
    $complaints += @($tree.FindAll({ $newer.ContainsKey($args[0].GetType().Name) }, $true) | ForEach-Object { $newer[$_.GetType().Name] })
    $complaints += @($tokens | Where-Object { "$($_.Kind)" -in $newTokens } | ForEach-Object { "the token $($_.Text)" })
    foreach ($command in $tree.FindAll({ $args[0] -is [System.Management.Automation.Language.CommandAst] }, $true)) {
        $name = "$($command.GetCommandName())"
        $given = @($command.CommandElements | Where-Object { $_ -is [System.Management.Automation.Language.CommandParameterAst] } | ForEach-Object { $_.ParameterName })
        if ($newParameters.ContainsKey($name)) {
            $complaints += @($given | Where-Object { $_ -in $newParameters[$name] } | ForEach-Object { "$name -$_" })
        }
        if ($name -in $gone -or $name -in $shadowed) {
            $complaints += $name
        }
    }
    $functions = @($tree.FindAll({ $args[0] -is [System.Management.Automation.Language.FunctionDefinitionAst] }, $true))
    [pscustomobject] @{
        File = $file
        Complaints = @($complaints)
        Functions = @(
            foreach ($function in $functions) {
                $block = $function.Body.ParamBlock
                [pscustomobject] @{
                    Name = $function.Name
                    Calls = @($function.FindAll({ $args[0] -is [System.Management.Automation.Language.CommandAst] }, $true) | ForEach-Object { "$($_.GetCommandName())" })
                    OutputType = if ($block) { "$(($block.Attributes | Where-Object { $_.TypeName.Name -eq 'OutputType' }).PositionalArguments.Value)" } else { '' }
                    ErrorIds = @([regex]::Matches($function.Extent.Text, "-ErrorId '(\w+)'") | ForEach-Object { $_.Groups[1].Value })
                    Parameters = @(
                        foreach ($parameter in @(if ($block) { $block.Parameters })) {
                            [pscustomobject] @{
                                Name = $parameter.Name.VariablePath.UserPath
                                Attributes = @($parameter.Attributes | ForEach-Object { $_.Extent.Text })
                            }
                        }
                    )
                }
            }
        )
    } | ConvertTo-Json -Depth 6 -Compress
}
